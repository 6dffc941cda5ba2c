"""What changed in a workspace's journal after a cursor, in the order of the changes, and how it looks on the wire."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple

import orjson
from django.db import connection

from aispinner.core.rendering import dump_json
from aispinner.core.snapshot import one_snapshot
from telephony.api.shapes import RUN_RELATIONS, call_json, run_json
from telephony.journal.delta import Cursor, Order
from telephony.journal.filters import Filters
from telephony.journal.page import node_ids_of
from telephony.journal.query import CallRow, Page, Want, page_of_calls
from telephony.journal.scope import Column, Scope
from telephony.models import Run

# Asked with every ring, in words: the ORM takes longer to find them than PostgreSQL to answer. Not prepared: a plan for
# any place would not know that the place is near the end.
_NEWS = """
SELECT (SELECT value FROM telephony_sequence WHERE id = 1),
       (SELECT max(version) FROM telephony_call WHERE workspace_id = %s) > %s,
       EXISTS (SELECT FROM telephony_run r JOIN telephony_runprogress p ON p.run_id = r.id
                WHERE r.workspace_id = %s AND p.version > %s)
"""
_EVENTS = """
SELECT e.id, e.type, coalesce(c.call_id, r.call_id), e.at, e.data
  FROM telephony_callevent e
  LEFT JOIN telephony_call c ON c.id = e.call_id
  LEFT JOIN telephony_run r ON r.id = e.run_id
 WHERE e.workspace_id = %s AND e.id > %s AND e.id <= %s ORDER BY e.id LIMIT %s
"""


class EventRow(NamedTuple):
    """Something that happened, under the names that it has on the wire; `call_id` may be a campaign's."""

    id: int
    type: str
    call_id: str | None
    at: datetime
    data: Any


class Message(NamedTuple):
    """What goes out, and the place after which a reader that has it goes on."""

    version: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What changed after `after`, up to and with `cursor`. `more`: there is more to be read right now."""

    workspace_id: int
    after: int
    cursor: int
    more: bool = False
    calls: Sequence[CallRow] = ()
    parents: Mapping[int, str] = field(default_factory=dict)
    node_ids: Mapping[int, str] = field(default_factory=dict)
    runs: Sequence[Run] = ()
    events: Sequence[EventRow] = ()

    def messages(self, *, root: str, since: int | None = None) -> list[Message]:
        """One for each, in version order; `root` is the server's address, for `audio_url`.

        A call that came after `since` (left out: after `after`) is new, another one updated.
        """
        known = self.after if since is None else since
        found = sorted(self._bodies(root=root, known=known), key=itemgetter(0))
        return [
            Message(version, dump_json({"type": kind, **self._place(version), **body}).decode())
            for version, kind, body in found
        ]

    def _bodies(self, *, root: str, known: int) -> Iterator[tuple[int, str, dict[str, Any]]]:
        for call in self.calls:
            parent = self.parents.get(call.run_id) if call.run_id is not None else None
            kind = "journal.new" if call.id > known else "journal.updated"
            yield call.version, kind, {"call": call_json(call, parent=parent, node_ids=self.node_ids, root=root)}
        for run in self.runs:
            yield run.progress.version, "run.updated", {"run": run_json(run)}
        for event in self.events:
            yield event.id, "call.event", {"event": event._asdict()}

    def _place(self, version: int) -> dict[str, int]:
        return {"workspace_id": self.workspace_id, "version": version}


def read_changes(*, workspace_id: int, after: int, limit: int) -> Changes:
    """At most `limit` calls, campaigns and events each.

    All is read in one snapshot, so that nothing is between two states: what has a number up to the mark is seen in
    the state that the mark stands for, and a record that is newer than `after` has an id that is, too.
    """
    with one_snapshot():
        with connection.cursor() as cursor:
            cursor.execute(_NEWS, [workspace_id, after] * 2)
            mark, calls, runs = cursor.fetchone()
        if (mark or 0) <= after:
            return Changes(workspace_id=workspace_id, after=after, cursor=after)
        span = _Span(workspace_id=workspace_id, after=after, mark=mark, limit=limit)
        return _cut(span, span.calls() if calls else Page(calls=()), span.runs() if runs else [], span.events())


@dataclass(frozen=True, kw_only=True)
class _Span:
    """What changed after `after` and up to `mark`: of campaigns and events one more than `limit`, to tell of a cut."""

    workspace_id: int
    after: int
    mark: int
    limit: int

    def calls(self) -> Page:
        mine = Scope(column=Column.WORKSPACE, ids=(self.workspace_id,), workspaces=(self.workspace_id,))
        cursor = Cursor(order=Order.VERSION, at=self.after)
        return page_of_calls(Want(scopes=[mine], filters=Filters(), cursor=cursor, mark=self.mark, limit=self.limit))

    def runs(self) -> list[Run]:
        changed = Run.objects.filter(
            workspace_id=self.workspace_id, progress__version__gt=self.after, progress__version__lte=self.mark
        )
        return list(changed.select_related(*RUN_RELATIONS).order_by("progress__version")[: self.limit + 1])

    def events(self) -> list[EventRow]:
        with connection.cursor() as cursor:
            cursor.execute(_EVENTS, [self.workspace_id, self.after, self.mark, self.limit + 1])
            return [EventRow._make([*row[:4], orjson.loads(row[4])]) for row in cursor.fetchall()]


def _cut(span: _Span, page: Page, runs: Sequence[Run], events: Sequence[EventRow]) -> Changes:
    """Where one of the three was cut, none goes further than it."""
    last = span.limit - 1
    ends = [page.calls[-1].version] if page.cut else []
    ends += [runs[last].progress.version] if len(runs) > span.limit else []
    ends += [events[last].id] if len(events) > span.limit else []
    cursor = min(ends, default=span.mark)
    calls = [call for call in page.calls if call.version <= cursor]
    parents = {call.run_id for call in calls if call.run_id is not None}
    return Changes(
        workspace_id=span.workspace_id,
        after=span.after,
        cursor=cursor,
        more=bool(ends),
        calls=calls,
        parents=dict(Run.objects.filter(pk__in=parents).values_list("pk", "call_id")) if parents else {},
        node_ids=node_ids_of(calls),
        runs=[run for run in runs if run.progress.version <= cursor],
        events=[event for event in events if event.id <= cursor],
    )
