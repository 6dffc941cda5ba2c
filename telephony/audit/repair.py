"""Counters set to what the rows say. Nothing else is ever repaired: rows are the truth, and a call is not made up.

Whoever changes a row counts it in the same transaction, and holds the counter until commit. So whoever holds the
counter may derive it: what is committed is in both, what is not yet will be added to both.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connection, transaction

from telephony.audit.checks import DERIVED_TOTALS, PROGRESS
from telephony.dialer.ledger import take_numbers
from telephony.dialer.transitions import add_to_progress, locked_progress
from telephony.models import Run

_SET_TOTALS = f"""
INSERT INTO telephony_journaltotal AS t (workspace_id, node_id, status, day, calls, duration_sec) {DERIVED_TOTALS}
ON CONFLICT (workspace_id, node_id, status, day)
DO UPDATE SET calls = excluded.calls, duration_sec = excluded.duration_sec
        WHERE (t.calls, t.duration_sec) <> (excluded.calls, excluded.duration_sec)
"""
_EMPTY_TOTALS = f"""
DELETE FROM telephony_journaltotal t
 WHERE (t.calls, t.duration_sec) <> (0, 0) AND NOT EXISTS (
    SELECT FROM ({DERIVED_TOTALS}) d
     WHERE (d.workspace_id, coalesce(d.node_id, 0), d.status, coalesce(d.day, 'infinity'))
         = (t.workspace_id, coalesce(t.node_id, 0), t.status, coalesce(t.day, 'infinity')))
"""


def repair_progress(call_ids: Iterable[str]) -> int:
    """Set the counters of these runs right; returns how many counters were wrong.

    `numbers_count` is what was ordered, not a count of what is left: a run that has lost a recipient stays as it is.
    """
    wrong = 0
    for run_id in Run.objects.filter(call_id__in=list(call_ids)).order_by("pk").values_list("pk", flat=True):
        with transaction.atomic():
            [progress] = locked_progress([run_id])
            deltas = _deltas(run_id)
            if deltas and "numbers_count" not in deltas:
                numbers, _ = take_numbers(1)
                add_to_progress(progress, deltas, version=next(numbers))
                wrong += len(deltas)
    return wrong


def _deltas(run_id: int) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(PROGRESS.sql, {"run": run_id})
        return {name: int(derived) - int(stored) for _, name, stored, derived in cursor.fetchall()}


def repair_totals() -> int:
    """Set the journal's totals right; returns how many rows were wrong. Calls wait for it to end."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE telephony_journaltotal IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute(_EMPTY_TOTALS)
        wrong: int = cursor.rowcount
        cursor.execute(_SET_TOTALS)
        wrong += cursor.rowcount
    return wrong
