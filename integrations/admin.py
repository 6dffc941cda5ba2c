"""Accounts and webhooks in the admin. No secret of a webhook and no body of an event is ever shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from aispinner.core.admin_base import ConsoleAdmin
from aispinner.core.admin_html import Tone, badge, muted, two_lines, when
from aispinner.core.models import Role
from integrations.account_words import credits_words, webhook_words
from integrations.models import Account, ReceiptStatus, WebhookEndpoint, WebhookReceipt
from integrations.services import set_lines

if TYPE_CHECKING:
    from django.core.paginator import Paginator as InfinitePaginator
else:
    from unfold.paginator import InfinitePaginator

RECEIPT_TONES: dict[str, Tone] = {
    ReceiptStatus.NEW: "live",
    ReceiptStatus.WAITING: "wait",
    ReceiptStatus.APPLIED: "ok",
    ReceiptStatus.IGNORED: "idle",
}


@admin.register(Account)
class AccountAdmin(ConsoleAdmin[Account]):
    """One row per account at a provider; made when its first key is added."""

    workspace_paths = ("keys__workspace", "runs__workspace")
    audit_kind = "account"
    change_role = Role.OWNER
    list_display = ("named", "limit", "learned", "credits", "webhook", "keys_count", "created")
    search_fields = ("external_id", "keys__title")
    actions = None
    fields = ("concurrency_limit", "named", "tier", "learned", "credits", "webhook", "created")
    readonly_fields = ("named", "tier", "learned", "credits", "webhook", "created")
    empty_icon = "account_balance_wallet"
    empty_title = "No account yet"
    empty_text = "An account appears when its first key is added."

    @admin.display(description="account")
    def named(self, account: Account) -> SafeString:
        return two_lines(account.get_voice_stack_display(), account.external_id)

    @admin.display(description="lines at once")
    def limit(self, account: Account) -> int:
        return account.concurrency_limit

    @admin.display(description="less for now")
    def learned(self, account: Account) -> SafeString:
        if account.learned_limit is None or account.learned_until is None or account.learned_until < timezone.now():
            return muted("—")
        return two_lines(f"{account.learned_limit} lines", when(account.learned_until))

    @admin.display(description="credits")
    def credits(self, account: Account) -> SafeString:
        words = credits_words(account)
        return two_lines(words, account.tier) if words else muted(account.tier or "—")

    @admin.display(description="results come by")
    def webhook(self, account: Account) -> SafeString:
        words, tone, last = webhook_words(account)
        return badge(words, tone, hint=last)

    @admin.display(description="keys")
    def keys_count(self, account: Account) -> int:
        return account.keys.count()

    @admin.display(description="known since")
    def created(self, account: Account) -> SafeString:
        return when(account.created_at)

    def save_model(self, request: HttpRequest, obj: Account, form: Any, change: bool) -> None:
        set_lines(account=obj, limit=obj.concurrency_limit)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name == "concurrency_limit":
            field.help_text = (
                "How many calls this account may have at once, over all campaigns and keys. ElevenLabs does not tell "
                "it, so it was preset from the plan; raise it if your plan allows more. Dialling follows at once."
            )
        return field


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ConsoleAdmin[WebhookEndpoint]):
    """Where an account posts its events; the secret is in no field of this page."""

    workspace_paths = ("account__keys__workspace",)
    list_display = ("public_id", "account", "external_id", "has_secret", "created")
    list_select_related = ("account",)
    fields = ("address", "account", "external_id", "has_secret", "created")
    readonly_fields = fields
    actions = None
    empty_icon = "webhook"
    empty_title = "No webhook endpoint"
    empty_text = "One is made with the first key, where PUBLIC_URL is set. Without webhooks, calls are polled."

    @admin.display(description="path")
    def address(self, row: WebhookEndpoint) -> str:
        return f"/webhooks/elevenlabs/{row.public_id}"

    @admin.display(description="signed", boolean=True)
    def has_secret(self, row: WebhookEndpoint) -> bool:
        return bool(row.secret)

    @admin.display(description="made")
    def created(self, row: WebhookEndpoint) -> SafeString:
        return when(row.created_at)


@admin.register(WebhookReceipt)
class WebhookReceiptAdmin(ConsoleAdmin[WebhookReceipt]):
    """Events as they arrived. Their bodies hold conversations, so they are not shown here."""

    workspace_paths = ("endpoint__account__keys__workspace",)
    list_display = ("kind", "state", "conversation_id", "attempts", "received", "applied")
    list_filter = ("status",)
    search_fields = ("conversation_id__exact",)
    search_help_text = "Search by whole conversation id"
    ordering = ("-pk",)
    sortable_by = ()
    show_full_result_count = False
    paginator = InfinitePaginator
    actions = None
    fields = ("kind", "state", "conversation_id", "endpoint", "attempts", "received", "applied", "next_at")
    readonly_fields = fields
    empty_icon = "move_to_inbox"
    empty_title = "No event has arrived"
    empty_text = "ElevenLabs posts the end of each call here, where a webhook is set. Without one, calls are polled."

    @admin.display(description="status")
    def state(self, row: WebhookReceipt) -> SafeString:
        return badge(row.get_status_display(), RECEIPT_TONES.get(row.status, "idle"))

    @admin.display(description="received")
    def received(self, row: WebhookReceipt) -> SafeString:
        return when(row.received_at)

    @admin.display(description="applied")
    def applied(self, row: WebhookReceipt) -> SafeString:
        return when(row.applied_at)

    def within(self, rows: QuerySet[WebhookReceipt], workspaces: list[int]) -> QuerySet[WebhookReceipt]:
        """By way of the few endpoints: the receipts are many."""
        endpoints = WebhookEndpoint.objects.filter(account__keys__workspace__in=workspaces)
        return rows.filter(endpoint__in=list(endpoints.values_list("pk", flat=True)))

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookReceipt]:
        return super().get_queryset(request).defer("body")
