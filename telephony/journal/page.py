"""A whole answer of the journal: calls, what all of them come to, the campaigns beside them, and where to go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aispinner.core.models import Node
from telephony.journal.campaigns import CampaignRow, campaigns_beside
from telephony.journal.delta import Cursor, Order, Point, next_point, read_mark
from telephony.journal.filters import Filters
from telephony.journal.query import CallRow, Page, Want, page_of_calls
from telephony.journal.scope import Scope
from telephony.journal.totals import Total, total_of


@dataclass(frozen=True, kw_only=True)
class Journal:
    """What a reader gets. `node_ids` are the clients' ids of all nodes that the calls name."""

    calls: Sequence[CallRow]
    has_more: bool
    total: Total
    point: Point
    campaigns: Sequence[CampaignRow]
    node_ids: Mapping[int, str]


REMEMBERED = 1000  # questions of readers who ask again and again
_nothing_new: dict[tuple[tuple[Scope, ...], Filters, Cursor], tuple[int, Journal]] = {}


def read_journal(
    *, scopes: Sequence[Scope], filters: Filters, cursor: Cursor, limit: int, mark: int | None = None
) -> Journal:
    """The calls in `scopes` that pass `filters`, from `cursor` on, at most `limit`; `mark` where it was read before.

    Each statement sees what was committed before it; the mark is read first, and bounds what is read after
    (`delta` says why nothing is skipped). Whatever changes a journal moves the mark: while it stands, a question that
    found no calls has the answer that it had.
    """
    mark = read_mark() if mark is None else mark
    question = (tuple(scopes), filters, cursor)
    known = _nothing_new.get(question)
    if known is not None and known[0] == mark:
        return known[1]
    journal = _read(mark, Want(scopes=scopes, filters=filters, cursor=cursor, mark=mark, limit=limit))
    if not journal.calls:
        if len(_nothing_new) >= REMEMBERED:
            _nothing_new.clear()
        _nothing_new[question] = (mark, journal)
    return journal


def _read(mark: int, want: Want) -> Journal:
    scopes, filters, cursor = want.scopes, want.filters, want.cursor
    page = page_of_calls(want)
    point = next_point(cursor=cursor, mark=mark, cut=page.cut, last=_last(page, cursor.order))
    campaigns = campaigns_beside(
        scopes=scopes,
        parents={call.run_id for call in page.calls if call.run_id is not None},
        changed=None if cursor.order is Order.NEWEST else (cursor.at or 0, point.max_version),
        run_id=filters.run_id,
    )
    return Journal(
        calls=page.calls,
        has_more=page.cut,
        total=total_of(scopes=scopes, filters=filters),
        point=point,
        campaigns=campaigns,
        node_ids=node_ids_of(page.calls),
    )


def node_ids_of(calls: Sequence[CallRow]) -> dict[int, str]:
    """The clients' ids of the nodes that these calls went through, by row id."""
    wanted = {pk for call in calls for pk in (call.pbx_node_id, call.phone_node_id, call.agent_node_id) if pk}
    return dict(Node.objects.filter(pk__in=wanted).values_list("pk", "node_id")) if wanted else {}


def _last(page: Page, order: Order) -> int | None:
    if not page.calls:
        return None
    return page.calls[-1].version if order is Order.VERSION else page.calls[-1].id
