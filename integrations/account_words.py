"""How an account is, in the admin's words: what is left of its credits, and how the ends of its calls reach us."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Max
from django.utils import timezone

from aispinner.core.admin_html import Tone, ago
from integrations.models import Account, WebhookReceipt
from integrations.post_call_webhook import WebhookState

EXHAUSTED_FOR = timedelta(hours=1)
WEBHOOK_WORDS: dict[str, tuple[str, Tone]] = {
    WebhookState.REGISTERED: ("Webhook registered", "ok"),
    WebhookState.ANOTHER: ("Another webhook is set: polled", "idle"),
    WebhookState.NO_PUBLIC_URL: ("No PUBLIC_URL: polled", "idle"),
    WebhookState.FAILED: ("Webhook refused: polled", "wait"),
}


def credits_words(account: Account) -> str:
    """What is left of the account's credits, as far as it was told."""
    if account.exhausted_at is not None and timezone.now() - account.exhausted_at < EXHAUSTED_FOR:
        return "credits used up"
    if account.credits_used is None or not account.credits_limit:
        return ""
    return f"{account.credits_used * 100 // account.credits_limit}% of credits used"


def webhook_words(account: Account) -> tuple[str, Tone, str]:
    """How the ends of calls reach us, its tone, and when the last event came."""
    last = WebhookReceipt.objects.filter(endpoint__account=account).aggregate(at=Max("received_at"))["at"]
    words, tone = WEBHOOK_WORDS.get(account.webhook_state, ("Not tried yet: polled", "idle"))
    return words, tone, f"last event {ago(last)}" if last else "no event yet"
