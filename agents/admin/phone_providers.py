"""Phone providers in the admin. Credentials are taken, never given: their inputs are empty, and empty keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.safestring import SafeString

from agents.inbound import have_answered
from aispinner.core.admin_base import ConsoleAdmin
from aispinner.core.admin_html import badge, muted, two_lines, when
from aispinner.core.errors import Problem
from aispinner.core.models import Node, NodeType, Role
from integrations.models import Carrier, PhoneProvider
from integrations.phone_providers import SavedProvider, delete_provider, save_provider

if TYPE_CHECKING:
    from django.forms import PasswordInput as SecretInput
else:
    from unfold.widgets import UnfoldAdminPasswordWidget as SecretInput

SECRETS = ("twilio_sid", "twilio_token", "sip_password")
FIELDS = {
    Carrier.TWILIO: ("twilio_phone", "twilio_sid", "twilio_token"),
    Carrier.SIP: ("sip_phone", "sip_server", "sip_port", "sip_user", "sip_password"),
}


def _secret(label: str) -> forms.CharField:
    return forms.CharField(label=label, required=False, widget=SecretInput(attrs={"autocomplete": "new-password"}))


class NodeChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # not subscriptable at run time
    """Nodes with their workspace: titles repeat."""

    def label_from_instance(self, obj: Any) -> str:
        return f"{obj} ({obj.workspace})"


class PhoneProviderForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """Checked and written by the service that the API uses as well."""

    twilio_sid = _secret("Twilio account SID")
    twilio_token = _secret("Twilio token")
    sip_password = _secret("SIP password")

    class Meta:
        model = PhoneProvider
        fields = ("node", "agent_node", "provider", "twilio_phone", "sip_server", "sip_port", "sip_user", "sip_phone")
        labels = {
            "agent_node": "Answered by",
            "provider": "Carrier",
            "twilio_phone": "Twilio number",
            "sip_server": "SIP server",
            "sip_port": "SIP port",
            "sip_user": "SIP user",
            "sip_phone": "Number of the trunk",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in SECRETS:
            stored = bool(self.instance.pk and getattr(self.instance, name))
            self.fields[name].help_text = "Stored. Leave empty to keep it." if stored else "Not stored."

    def clean(self) -> dict[str, Any]:
        """Have it saved, so that what the service finds fault with is shown beside its field."""
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        carrier = Carrier(cleaned["provider"])
        agent_node: Node | None = cleaned.get("agent_node")
        data = {"provider": carrier.value, **{name: cleaned.get(name) for name in FIELDS[carrier]}}
        node = self.instance.node if self.instance.pk else cleaned["node"]
        try:
            self.saved: SavedProvider = save_provider(
                node=node, data={**data, "agent_node_id": agent_node.node_id if agent_node else None}
            )
        except Problem as problem:
            by_field = {name: sentences for name, sentences in problem.errors.items() if name in self.fields}
            raise forms.ValidationError(by_field or str(problem.detail)) from None
        return cleaned

    def _post_clean(self) -> None:
        """Nothing: the row that the service wrote is the one, and no half-typed one beside it."""

    def save(self, commit: bool = True) -> PhoneProvider:
        """The row that the service wrote."""
        self.instance = provider = self.saved.provider
        return provider

    def save_m2m(self) -> None:
        """Nothing: a provider has no such fields."""


@admin.register(PhoneProvider)
class PhoneProviderAdmin(ConsoleAdmin[PhoneProvider]):
    """The carrier of a phone-number node."""

    workspace_paths = ("node__workspace",)
    audit_kind = "phone_provider"
    add_role = change_role = delete_role = Role.EDITOR
    form = PhoneProviderForm
    list_display = ("named", "carrier", "answering", "registered", "changed")
    list_select_related = ("node", "agent_node", "registered_account")
    search_fields = ("twilio_phone", "sip_phone", "node__node_id", "node__title")
    actions = None
    fieldsets = (
        (
            None,
            {"fields": ("node", "provider", *FIELDS[Carrier.TWILIO], *FIELDS[Carrier.SIP], "agent_node", "registered")},
        ),
    )
    conditional_fields: ClassVar[dict[str, str]] = {
        **dict.fromkeys(FIELDS[Carrier.TWILIO], "provider == 'twilio'"),
        **dict.fromkeys(FIELDS[Carrier.SIP], "provider == 'sip'"),
    }
    empty_icon = "dialpad"
    empty_title = "No phone number yet"
    empty_text = "Calls are placed from a number at Twilio or on a SIP trunk, which belongs to a phone-number node."

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
            return badge("Imported" if row.imported else "Registered", "ok", hint=row.registered_id)
        return badge("Before its first call", "idle")

    @admin.display(description="changed")
    def changed(self, row: PhoneProvider) -> SafeString:
        return when(row.updated_at)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_foreignkey(db_field, request, form_class=NodeChoice, **kwargs)
        if field is not None and field.queryset is not None:
            kind = NodeType.PHONE_NUMBER if db_field.name == "node" else NodeType.AGENT
            nodes = field.queryset.filter(type=kind).select_related("workspace")
            field.queryset = nodes.filter(phone_provider__isnull=True) if db_field.name == "node" else nodes
        return field

    def get_readonly_fields(self, request: HttpRequest, obj: PhoneProvider | None = None) -> Any:
        return ("node", "registered") if obj else ("registered",)

    def delete_model(self, request: HttpRequest, obj: PhoneProvider) -> None:
        delete_provider(provider=obj)

    def save_model(self, request: HttpRequest, obj: PhoneProvider, form: Any, change: bool) -> None:
        """The service has saved it; what is left is to have the number answered, and to say how that went."""
        for warning in form.saved.warnings:
            self.message_user(request, warning, messages.WARNING)
        if obj.agent_node is not None:
            answering = have_answered(provider=obj)
            self.message_user(request, answering.detail, messages.INFO if answering.answers else messages.WARNING)
