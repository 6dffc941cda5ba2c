"""Telephony settings in the admin: read-only, with every password masked."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString

from aispinner.core.admin_base import ConsoleAdmin
from aispinner.core.admin_html import json_block, when
from telephony.models import TelephonySettings


@admin.register(TelephonySettings)
class TelephonySettingsAdmin(ConsoleAdmin[TelephonySettings]):
    """Changed with PUT /telephony/settings, which checks what it is given."""

    audit_kind = "settings"
    list_display = ("workspace", "providers", "default", "updated")
    list_select_related = ("workspace",)
    fields = ("workspace", "updated", "shown")
    readonly_fields = fields
    empty_icon = "tune"
    empty_title = "No telephony settings"
    empty_text = "Only Custom Voice (your own Asterisk) needs them: PUT /telephony/settings."

    @admin.display(description="providers")
    def providers(self, row: TelephonySettings) -> str:
        found = row.settings_json.get("providers")
        names = (
            [str(each.get("id", "?")) for each in found if isinstance(each, dict)] if isinstance(found, list) else []
        )
        return ", ".join(names) or "—"

    @admin.display(description="default provider")
    def default(self, row: TelephonySettings) -> str:
        return str(row.settings_json.get("default_provider_id") or "—")

    @admin.display(description="changed")
    def updated(self, row: TelephonySettings) -> SafeString:
        return when(row.updated_at)

    @admin.display(description="settings")
    def shown(self, row: TelephonySettings) -> SafeString:
        return json_block(row.settings_json)
