"""Calls as the dialer would leave them: with numbers from the sequence, and counted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from aispinner.core.models import Node, Workspace
from integrations.calls import Outcome
from telephony.dialer.ledger import Totals, take_numbers
from telephony.models import Call, CallStatus, Run

OUTCOMES = {
    CallStatus.DONE: Outcome.ANSWERED,
    CallStatus.FAILED: Outcome.NO_ANSWER,
    CallStatus.CANCELLED: Outcome.CANCELLED,
}
DAY = datetime(2026, 5, 4, 12, tzinfo=UTC)
TRANSCRIPT = '[{"role":"agent","message":"Hello!","time_in_call_secs":0}]'


def make_call(
    *,
    workspace: Workspace,
    run: Run | None = None,
    pbx: Node | None = None,
    phone: Node | None = None,
    agent: Node | None = None,
    status: CallStatus = CallStatus.DONE,
    at: datetime | None = None,
    **fields: Any,
) -> Call:
    """A call with the next number. Give `at` in rising order, as the sequence would."""
    call = Call(
        workspace=workspace,
        run=run,
        pbx_node=pbx,
        phone_node=phone,
        agent_node=agent,
        status=status,
        **{"outcome": OUTCOMES.get(status, ""), "duration_sec": 10, "subscriber_phone": "+15550100123", **fields},
    )
    with transaction.atomic():
        totals = Totals()
        totals.add(call, day=(at or datetime.now(UTC)).astimezone(UTC).date())
        totals.write()
        numbers, now = take_numbers(1)
        call.id = call.version = next(numbers)
        call.created_at = at or now
        call.save(force_insert=True)
    return call


def change(call: Call, **fields: Any) -> Call:
    """The call with other values, under a new version. (Not for what is counted.)"""
    with transaction.atomic():
        numbers, _ = take_numbers(1)
        fields["version"] = next(numbers)
        Call.objects.filter(pk=call.pk).update(**fields)
    call.refresh_from_db()
    return call
