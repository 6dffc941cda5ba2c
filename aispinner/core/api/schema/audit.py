"""The audit trail, described."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers

from aispinner.core.api.audit import AuditView
from aispinner.core.api.openapi import (
    ID,
    NO_WORKSPACE,
    NOT_OWNER,
    WORKSPACE_PATH,
    WORKSPACES,
    answered,
    describe,
    query,
    refusals,
)
from aispinner.core.models import Via

ENTRY = {
    "id": 812,
    "at": "2026-05-04T10:12:00Z",
    "action": "campaign.renamed",
    "object": {"kind": "campaign", "id": "camp_0mv1zk3q8r5t", "name": "Q2 outbound"},
    "changes": {"name": ["", "Q2 outbound"]},
    "user": {"user_id": 7, "username": "ada"},
    "via": "api",
    "token": {"id": "tok_0mv1zk3q8r5t", "name": "canvas"},
    "request_id": "0b2f7c1e-6d0f-4f57-9a53-2f0c8b0c7a11",
}


class AuditObject(serializers.Serializer[Any]):
    """What something was done to."""

    kind = serializers.CharField(help_text="`campaign`, `key`, `member`, `node`, …: the first word of the action.")
    id = serializers.CharField(help_text="As the API calls it.")
    name = serializers.CharField(help_text="As it was called then.")


class AuditUser(serializers.Serializer[Any]):
    """Who did it."""

    user_id = serializers.IntegerField()
    username = serializers.CharField(help_text="As it was then.")


class AuditToken(serializers.Serializer[Any]):
    """The token it was done by."""

    id = serializers.CharField()
    name = serializers.CharField()


class AuditEntry(serializers.Serializer[Any]):
    """Something that somebody did."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    action = serializers.CharField(help_text="`campaign.paused`, `member.added`, …")
    object = AuditObject()
    changes = serializers.DictField(help_text="By name: what is new, or `[old, new]`. Never a secret or a number.")
    user = AuditUser(allow_null=True, help_text="null: the server itself.")
    via = serializers.ChoiceField(choices=Via.choices)
    token = AuditToken(allow_null=True)
    request_id = serializers.CharField(help_text="As in the answer's `X-Request-ID`, and in the log.")


class Audit(serializers.Serializer[Any]):
    """A page of a workspace's audit trail."""

    entries = AuditEntry(many=True)
    total = serializers.IntegerField(help_text="All that match the filters, not only this page.")
    has_more = serializers.BooleanField(help_text="Whether there are older ones.")


describe(
    AuditView,
    get=extend_schema(
        operation_id="list_audit_entries",
        tags=[WORKSPACES],
        summary="Read the Audit Trail",
        description=(
            "Who did what in the workspace, newest first; entries are never changed or deleted. Owners only. For older "
            "ones, send the last entry's `id` as `before_id`."
        ),
        parameters=[
            WORKSPACE_PATH,
            query("before_id", ID, "Only entries older than this one.", example=812),
            query(
                "limit", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}, "Entries in the answer."
            ),
            query(
                "action", {"type": "string", "maxLength": 60}, "`campaign.paused`, or `campaign` for all about them."
            ),
            query("object_id", {"type": "string", "maxLength": 100}, "What it was done to, as the API calls it."),
            query("user_id", ID, "Who did it."),
            query("via", {"type": "string", "enum": list(Via.values)}, "How they came in."),
        ],
        responses={200: Audit, **refusals({403: NOT_OWNER, 404: NO_WORKSPACE})},
        examples=[answered({"entries": [ENTRY], "total": 1, "has_more": False})],
    ),
)
