"""The journal, or one campaign's results, as CSV (RFC 4180, UTF-8): made page by page, whatever their length.

No page waits for its reader inside a transaction: ids and positions never change, so each page goes on after the last
one, and nothing is held in the database, or in memory, for a client that reads slowly.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import orjson
from django.db import connection

from telephony.journal.delta import Cursor, Order, read_mark
from telephony.journal.filters import Filters
from telephony.journal.page import node_ids_of
from telephony.journal.query import CallRow, Want, page_of_calls
from telephony.journal.scope import Scope
from telephony.models import Run

PAGE = 500
CALL_COLUMNS = (
    *("id", "call_id", "created_at", "direction", "status", "outcome", "reason", "disposition", "subscriber_phone"),
    *("duration_sec", "parent_call_id", "campaign", "workspace_id", "node_id", "phone_node_id", "agent_node_id"),
    *("dispatched_at", "answered_at", "ended_at", "conversation_id", "has_audio", "version", "summary", "transcript"),
)
RESULT_COLUMNS = (
    *("position", "number", "status", "call_id", "call_status", "outcome", "reason", "disposition", "duration_sec"),
    *("dispatched_at", "answered_at", "ended_at", "conversation_id", "has_audio", "summary", "variables"),
)
# A number that was taken back is as good as never dialled; one that was cancelled shows the call that was.
_RESULTS = """
SELECT r.position, r.number, r.status, c.call_id, c.status, c.outcome, c.reason, c.disposition, c.duration_sec,
       c.dispatched_at, c.answered_at, c.ended_at, c.conversation_id, c.has_audio, c.summary, r.variables::text
  FROM telephony_recipient r
  LEFT JOIN LATERAL (
       SELECT * FROM telephony_call
        WHERE recipient_id = r.id AND (status <> 'cancelled' OR r.status = 'cancelled')
        ORDER BY (status = 'cancelled'), id DESC LIMIT 1
       ) c ON true
 WHERE r.run_id = %s AND r.position > %s
 ORDER BY r.position LIMIT %s
"""
_E164 = re.compile(r"\+[0-9]{1,15}\Z")
_FORMULA = frozenset("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - the full-width ones, too


def journal_csv(*, scopes: Sequence[Scope], filters: Filters, cursor: Cursor, limit: int | None) -> Iterator[bytes]:
    """Calls as `read_journal` would give them, all of them or at most `limit`: a header, then parts of many rows."""
    yield _lines([CALL_COLUMNS])
    mark, left = read_mark(), limit
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        page = page_of_calls(Want(scopes=scopes, filters=filters, cursor=cursor, mark=mark, limit=size))
        part = _lines(_call_rows(page.calls))
        _give_back()
        yield part
        if not page.cut:
            return
        last = page.calls[-1]
        cursor = Cursor(order=cursor.order, at=last.version if cursor.order is Order.VERSION else last.id)
        left = None if left is None else left - len(page.calls)


def results_csv(*, run_id: int) -> Iterator[bytes]:
    """A row for each recipient of a campaign, in the order of its list, also for those that were never dialled."""
    yield _lines([RESULT_COLUMNS])
    after = -1
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_RESULTS, [run_id, after, PAGE])
            rows = cursor.fetchall()
        _give_back()
        if rows:
            yield _lines(rows)
        if len(rows) < PAGE:
            return
        after = rows[-1][0]


def safe_cell(value: Any) -> Any:
    """What goes into a cell. Text that a spreadsheet would run as a formula gets an apostrophe in front (OWASP, CSV
    injection); a number in E.164, which begins with a plus sign, does nothing there and stays as it is. Times are UTC.
    """
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.lstrip(" ")[:1] in _FORMULA and value.strip(" ") and not _E164.match(value):
        return f"'{value}"
    return value


def _call_rows(calls: Sequence[CallRow]) -> Iterator[tuple[Any, ...]]:
    wanted = {call.run_id for call in calls if call.run_id is not None}
    runs = {pk: (call_id, name) for pk, call_id, name in _named(wanted)}
    nodes = node_ids_of(calls)
    for call in calls:
        parent, campaign = runs.get(call.run_id, ("", "")) if call.run_id is not None else ("", "")
        node = call.pbx_node_id or call.phone_node_id
        yield (
            *(call.id, call.call_id, call.created_at, call.direction, call.status, call.outcome, call.reason),
            *(call.disposition, call.subscriber_phone, call.duration_sec, parent, campaign, call.workspace_id),
            *(nodes.get(each) if each else None for each in (node, call.phone_node_id, call.agent_node_id)),
            *(call.dispatched_at, call.answered_at, call.ended_at, call.conversation_id, call.has_audio, call.version),
            *(call.summary, _conversation(call.transcript)),
        )


def _named(run_ids: set[int]) -> Iterable[tuple[int, str, str]]:
    return Run.objects.filter(pk__in=run_ids).values_list("pk", "call_id", "name") if run_ids else ()


def _conversation(transcript: str) -> str:
    """A turn a line, as people read it: `agent: Hello!`."""
    return "\n".join(f"{turn['role']}: {turn['message']}" for turn in orjson.loads(transcript))


def _lines(rows: Iterable[Sequence[Any]]) -> bytes:
    text = StringIO(newline="")
    csv.writer(text).writerows([safe_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _give_back() -> None:
    """The connection goes back to the pool while the client reads; where threads keep theirs, it stays."""
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
