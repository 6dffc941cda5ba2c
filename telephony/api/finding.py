"""Campaigns and calls by their public ids, found only through the caller's memberships."""

from __future__ import annotations

from django.contrib.auth.models import User

from aispinner.core.access import workspace_for
from aispinner.core.errors import NotFound
from aispinner.core.models import Role
from telephony.api.shapes import RUN_RELATIONS
from telephony.models import Call, Run

LONGEST_ID = 40
NO_RUN = "Campaign not found. GET /telephony/runs lists yours."
NO_CALL = "Call not found. GET /telephony/journal lists yours."


def run_for(*, user: User, call_id: str, role: Role = Role.VIEWER) -> Run:
    """The campaign `call_id`: NotFound (404) where `user` may not see it, Forbidden (403) where their role is small."""
    if not could_be_id(call_id):
        raise NotFound(NO_RUN)
    seen = Run.objects.select_related(*RUN_RELATIONS).filter(workspace__memberships__user=user)
    run = seen.filter(call_id=call_id).first()
    if run is None:
        raise NotFound(NO_RUN)
    if role is not Role.VIEWER:
        workspace_for(user=user, workspace_id=run.workspace_id, role=role)
    return run


def call_for(*, user: User | None, call_id: str) -> Call:
    """The single call `call_id`; NotFound (404) where `user` may not see it. None sees every call."""
    if not could_be_id(call_id):
        raise NotFound(NO_CALL)
    calls = Call.objects.filter(call_id=call_id)
    if user is not None:
        calls = calls.filter(workspace__memberships__user=user)
    call = calls.first()
    if call is None:
        raise NotFound(NO_CALL)
    return call


def could_be_id(text: str) -> bool:
    """Whether `text` may be looked up as a public id at all."""
    return text.isascii() and text.isprintable() and len(text) <= LONGEST_ID
