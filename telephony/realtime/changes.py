"""What changed in a workspace's journal after a cursor, in the order of the changes, and how it looks on the wire."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple

from django.db import connection, transaction

from aispinner.core.rendering import dump_json
from telephony.api.shapes import RUN_RELATIONS, call_json, event_json, run_json
from telephony.journal.delta import Cursor, Order, read_mark
from telephony.journal.filters import Filters
from telephony.journal.page import node_ids_of
from telephony.journal.query import CallRow, Want, page_of_calls
from telephony.journal.scope import Column, Scope
from telephony.models import CallEvent, Run


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
    events: Sequence[CallEvent] = ()

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
            yield event.pk, "call.event", {"event": event_json(event)}

    def _place(self, version: int) -> dict[str, int]:
        return {"workspace_id": self.workspace_id, "version": version}


def read_changes(*, workspace_id: int, after: int, limit: int) -> Changes:
    """At most `limit` calls, campaigns and events each.

    All is read in one snapshot, so that nothing is between two states: what has a number up to the mark is seen in
    the state that the mark stands for, and a record that is newer than `after` has an id that is, too.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        mark = read_mark()
        if mark <= after:
            return Changes(workspace_id=workspace_id, after=after, cursor=after)
        return _read(workspace_id, after, mark, limit)


def _read(workspace_id: int, after: int, mark: int, limit: int) -> Changes:
    want = Want(
        scopes=[Scope(column=Column.WORKSPACE, ids=(workspace_id,), workspaces=(workspace_id,))],
        filters=Filters(),
        cursor=Cursor(order=Order.VERSION, at=after),
        mark=mark,
        limit=limit,
    )
    page = page_of_calls(want)
    changed = {"progress__version__gt": after, "progress__version__lte": mark}
    runs = list(
        Run.objects.select_related(*RUN_RELATIONS)
        .filter(workspace_id=workspace_id, **changed)
        .order_by("progress__version")[: limit + 1]
    )
    events = list(
        CallEvent.objects.filter(workspace_id=workspace_id, pk__gt=after, pk__lte=mark)
        .select_related("call", "run")
        .only("type", "data", "at", "call__call_id", "run__call_id")
        .order_by("pk")[: limit + 1]
    )
    # Where one of the three was cut, none goes further than it.
    ends = [page.calls[-1].version] if page.cut else []
    ends += [runs[limit - 1].progress.version] if len(runs) > limit else []
    ends += [events[limit - 1].pk] if len(events) > limit else []
    cursor = min(ends, default=mark)
    calls = [call for call in page.calls if call.version <= cursor]
    parents = {call.run_id for call in calls if call.run_id is not None}
    return Changes(
        workspace_id=workspace_id,
        after=after,
        cursor=cursor,
        more=bool(ends),
        calls=calls,
        parents=dict(Run.objects.filter(pk__in=parents).values_list("pk", "call_id")) if parents else {},
        node_ids=node_ids_of(calls),
        runs=[run for run in runs if run.progress.version <= cursor],
        events=[event for event in events if event.pk <= cursor],
    )
