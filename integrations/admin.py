"""Accounts, phone providers and webhooks in the admin. No credential is ever shown; empty inputs keep what is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from aispinner.core.admin_base import ConsoleAdmin
from aispinner.core.admin_html import Tone, badge, muted, two_lines, when
from aispinner.core.models import Node, NodeType, Role
from integrations.models import Account, Carrier, PhoneProvider, ReceiptStatus, WebhookEndpoint, WebhookReceipt

if TYPE_CHECKING:
    from django.core.paginator import Paginator as InfinitePaginator
    from django.forms import PasswordInput as SecretInput
else:
    from unfold.paginator import InfinitePaginator
    from unfold.widgets import UnfoldAdminPasswordWidget as SecretInput

SECRETS = ("twilio_sid", "twilio_token", "sip_password")
PLACED_FROM = ("provider", "twilio_phone", "sip_phone", "sip_server", "sip_port", "sip_user", *SECRETS)
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
    change_role = Role.OWNER
    list_display = ("named", "limit", "learned", "tier", "keys_count", "created")
    search_fields = ("external_id", "keys__title")
    actions = None
    fields = ("concurrency_limit", "named", "tier", "learned", "created")
    readonly_fields = ("named", "tier", "learned", "created")
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
        if account.learned_limit is None:
            return muted("—")
        return two_lines(f"{account.learned_limit} lines", when(account.learned_until))

    @admin.display(description="keys")
    def keys_count(self, account: Account) -> int:
        return account.keys.count()

    @admin.display(description="known since")
    def created(self, account: Account) -> SafeString:
        return when(account.created_at)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest | None, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name == "concurrency_limit":
            field.min_value = 1
            field.help_text = (
                "How many calls this account may have at once, over all campaigns and keys. ElevenLabs does not tell it, so it was "
                "preset from the plan; raise it if your plan allows more. Dialling follows at once."
            )
        return field


class PhoneProviderForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """Secrets are taken, never given: their inputs are always empty, and what is left empty stays as it is."""

    twilio_sid = forms.CharField(
        label="Twilio account SID", required=False, widget=SecretInput(attrs={"autocomplete": "off"})
    )
    twilio_token = forms.CharField(
        label="Twilio token", required=False, widget=SecretInput(attrs={"autocomplete": "off"})
    )
    sip_password = forms.CharField(
        label="SIP password", required=False, widget=SecretInput(attrs={"autocomplete": "off"})
    )

    class Meta:
        model = PhoneProvider
        fields = ("node", "agent_node", "provider", "twilio_phone", "sip_server", "sip_port", "sip_user", "sip_phone")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in SECRETS:
            stored = bool(self.instance.pk and getattr(self.instance, name))
            self.fields[name].help_text = "Stored. Leave empty to keep it." if stored else "Not stored."

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.instance.imported:
            return cleaned
        needed = (
            ("twilio_phone", *SECRETS[:2]) if cleaned.get("provider") == Carrier.TWILIO else ("sip_server", "sip_phone")
        )
        for name in needed:
            kept = bool(self.instance.pk and getattr(self.instance, name)) if name in SECRETS else False
            if not cleaned.get(name) and not kept and name not in self.errors:
                self.add_error(name, "This carrier needs it.")
        return cleaned

    def save(self, commit: bool = True) -> PhoneProvider:
        """Takes over what was typed; a changed number or credential is registered at ElevenLabs anew."""
        for name in SECRETS:
            if typed := self.cleaned_data.get(name):
                setattr(self.instance, name, typed)
        if self.instance.pk and set(self.changed_data) & set(PLACED_FROM):
            self.instance.registered_account, self.instance.registered_id = None, ""
        return super().save(commit=commit)


@admin.register(PhoneProvider)
class PhoneProviderAdmin(ConsoleAdmin[PhoneProvider]):
    """The carrier of a phone-number node."""

    workspace_paths = ("node__workspace",)
    add_role = change_role = delete_role = Role.EDITOR
    form = PhoneProviderForm
    list_display = ("named", "carrier", "answering", "registered", "changed")
    list_select_related = ("node", "agent_node", "registered_account")
    search_fields = ("twilio_phone", "sip_phone", "node__node_id", "node__title")
    actions = None
    readonly_fields = ("registered",)
    fieldsets = (
        (None, {"fields": ("node", "provider", "agent_node", "registered")}),
        ("Twilio", {"fields": ("twilio_phone", "twilio_sid", "twilio_token")}),
        ("SIP trunk", {"fields": ("sip_phone", "sip_server", "sip_port", "sip_user", "sip_password")}),
    )
    empty_icon = "dialpad"
    empty_title = "No phone number yet"
    empty_text = (
        "Calls are placed from a number at Twilio or on a SIP trunk. It belongs to a phone-number node of the canvas."
    )

    @admin.display(description="number")
    def named(self, row: PhoneProvider) -> SafeString:
        return two_lines(row.phone or "no number", row.node)

    @admin.display(description="carrier")
    def carrier(self, row: PhoneProvider) -> str:
        return row.get_provider_display()

    @admin.display(description="answered by")
    def answering(self, row: PhoneProvider) -> object:
        return row.agent_node or muted("nobody")

    @admin.display(description="at ElevenLabs")
    def registered(self, row: PhoneProvider) -> SafeString:
        if row.registered_id:
            return badge("Registered" if not row.imported else "Imported", "ok", hint=row.registered_id)
        return badge("Before its first call", "idle")

    @admin.display(description="changed")
    def changed(self, row: PhoneProvider) -> SafeString:
        return when(row.updated_at)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and db_field.name in {"node", "agent_node"}:
            kind = NodeType.PHONE_NUMBER if db_field.name == "node" else NodeType.AGENT
            offered = field.queryset if field.queryset is not None else Node.objects.all()
            field.queryset = offered.filter(type=kind).select_related("workspace")
        return field

    def get_readonly_fields(self, request: HttpRequest, obj: PhoneProvider | None = None) -> Any:
        return ("node", "registered") if obj else ("registered",)


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

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookReceipt]:
        return super().get_queryset(request).defer("body")
