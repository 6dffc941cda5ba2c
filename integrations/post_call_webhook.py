"""ElevenLabs' one post-call webhook of an account: ours where none is set; one that is set is never replaced."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

import structlog
from django.conf import settings

from aispinner.core.locks import named_lock
from integrations.elevenlabs.client import ElevenLabsClient
from integrations.elevenlabs.schemas import Webhook
from integrations.errors import ProviderError
from integrations.models import Account, ElevenLabsKey, WebhookEndpoint

EVENTS = ("transcript", "call_initiation_failure")
_NAME = "AiSpinner Telephony"

log = structlog.get_logger(__name__)


class WebhookState(StrEnum):
    """How results of an account's calls reach us; polling always does."""

    REGISTERED = "registered"
    ANOTHER = "another"
    NO_PUBLIC_URL = "no_public_url"
    FAILED = "failed"


_SENTENCES = {
    WebhookState.REGISTERED: "ElevenLabs reports the end of each call here.",
    WebhookState.ANOTHER: (
        "This ElevenLabs workspace already has a post-call webhook, which is left as it is: calls are polled instead."
    ),
    WebhookState.NO_PUBLIC_URL: "PUBLIC_URL is not set, so ElevenLabs cannot reach this server: calls are polled.",
    WebhookState.FAILED: (
        "ElevenLabs did not accept a webhook: calls are polled. The key may lack the permission for workspace webhooks."
    ),
}


@dataclass(frozen=True, kw_only=True)
class WebhookResult:
    """What became of the registration, and a sentence for the one who asked."""

    state: WebhookState

    @property
    def detail(self) -> str:
        return _SENTENCES[self.state]


def register_webhook(*, key: ElevenLabsKey) -> WebhookResult:
    """Have ElevenLabs post the account's call events to us, once; never raises for the provider's sake."""
    state = _tried(key) if settings.PUBLIC_URL else WebhookState.NO_PUBLIC_URL
    Account.objects.filter(pk=key.account_id).update(webhook_state=state.value)
    return WebhookResult(state=state)


def _tried(key: ElevenLabsKey) -> WebhookState:
    with named_lock(f"webhook-of-account:{key.account_id}", wait=timedelta(seconds=5)) as taken:
        try:
            return _register(key.account, ElevenLabsClient(api_key=key.key)) if taken else WebhookState.FAILED
        except ProviderError as error:
            log.warning("webhook_not_registered", account=key.account_id, reason=error.reason.value, code=error.code)
            return WebhookState.FAILED


def _register(account: Account, client: ElevenLabsClient) -> WebhookState:
    endpoint, _ = WebhookEndpoint.objects.get_or_create(account=account)
    attached = _attached(client.get_convai_settings())
    if attached and attached != endpoint.external_id:
        return WebhookState.ANOTHER
    url = f"{settings.PUBLIC_URL}/webhooks/elevenlabs/{endpoint.public_id}"
    ours = [each for each in client.list_webhooks() if each.url.endswith("/" + endpoint.public_id)]
    good = next((each for each in ours if each.id == endpoint.external_id and endpoint.secret), None)
    if good is None or good.url != url or good.is_disabled:
        good = _create(endpoint, client, url)
        attached = ""
    if not attached:
        wanted = {"post_call_webhook_id": good.id, "events": list(EVENTS), "transcript_format": "json"}
        client.patch_convai_settings({"webhooks": wanted})
    for each in ours:  # whose secret was lost with an answer, or whose address is not ours any more
        if each.id != good.id:
            client.delete_webhook(each.id)
    return WebhookState.REGISTERED


def _create(endpoint: WebhookEndpoint, client: ElevenLabsClient, url: str) -> Webhook:
    webhook = client.create_webhook(name=_NAME, url=url)
    endpoint.external_id, endpoint.secret = webhook.id, webhook.secret
    endpoint.save(update_fields=["external_id", "secret"])
    try:
        client.have_webhook_retried(webhook)
    except ProviderError as error:  # a help, not a need: what is not delivered is polled
        log.info("webhook_retries_not_set", account=endpoint.account_id, reason=error.reason.value)
    return webhook


def _attached(convai_settings: dict[str, Any]) -> str:
    webhooks = convai_settings.get("webhooks")
    attached = webhooks.get("post_call_webhook_id") if isinstance(webhooks, dict) else None
    return attached if isinstance(attached, str) else ""
