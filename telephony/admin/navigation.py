"""The side bar: what people come for first, then the setting up, then what goes on below."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse

from agents.models import Agent
from aispinner.core.models import ApiToken, AuditEntry, Membership, Node, Workspace
from integrations.models import Account, ElevenLabsKey, PhoneProvider, WebhookEndpoint, WebhookReceipt
from telephony.admin.pieces import MOVING
from telephony.models import Call, Run, TelephonySettings

Entry = tuple[type[Model], str, str]  # model, icon, words

SETTING_UP: tuple[Entry, ...] = (
    (ElevenLabsKey, "key", "ElevenLabs keys"),
    (Account, "account_balance_wallet", "Accounts and lines"),
    (PhoneProvider, "dialpad", "Phone providers"),
    (Agent, "support_agent", "Agents"),
    (Node, "hub", "Nodes"),
    (TelephonySettings, "tune", "Telephony settings"),
)
PEOPLE: tuple[Entry, ...] = (
    (Workspace, "workspaces", "Workspaces"),
    (Membership, "group", "Members"),
    (User, "person", "Users"),
    (Group, "groups", "Groups"),
    (ApiToken, "vpn_key", "API tokens"),
    (AuditEntry, "history", "Audit trail"),
)
BELOW: tuple[Entry, ...] = (
    (WebhookEndpoint, "webhook", "Webhook endpoints"),
    (WebhookReceipt, "move_to_inbox", "Webhook receipts"),
)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups of the side bar, as django-unfold wants them; only what the person may see."""
    watching = [
        {"title": "Dashboard", "icon": "dashboard", "link": reverse("admin:index")},
        {"title": "Live monitor", "icon": "monitoring", "link": reverse("monitor")},
        *_items(request, ((Run, "campaign", "Campaigns"), (Call, "call", "Calls"))),
    ]
    for item in watching:
        if item["title"] == "Campaigns" and (moving := _moving(request)):
            item |= {"badge": str(moving), "badge_variant": "info"}
    return [
        {"items": watching},
        {"title": "Setting up", "separator": True, "items": _items(request, SETTING_UP)},
        {"title": "People and access", "separator": True, "items": _items(request, PEOPLE)},
        {"title": "Below the surface", "separator": True, "items": _items(request, BELOW)},
    ]


def _items(request: HttpRequest, entries: tuple[Entry, ...]) -> list[dict[str, Any]]:
    return [
        {
            "title": words,
            "icon": icon,
            "link": reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"),
        }
        for model, icon, words in entries
        if admin.site.is_registered(model) and admin.site._registry[model].has_view_or_change_permission(request)
    ]


def _moving(request: HttpRequest) -> int:
    """How many of the campaigns that the person sees are dialling."""
    return admin.site._registry[Run].get_queryset(request).filter(status__in=MOVING).count()
