"""One page of calls: ids are picked in index order first, for each scope by itself, and only then are rows fetched.

`workspace_id = ANY(…) ORDER BY id DESC` over several workspaces would walk the primary key until it has met enough
calls: for ever, for quiet ones. So each workspace, node and status is asked for its own few by the index that holds
them in order, and the few are merged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import orjson
from django.db import connection
from psycopg import sql
from psycopg.types.datetime import TimestamptzLoader

from telephony.journal.delta import Cursor, Order
from telephony.journal.filters import Filters
from telephony.journal.scope import Column, Scope

Part = sql.Composable


class CallRow(NamedTuple):
    """A call as it is stored; `transcript` is JSON text."""

    id: int
    version: int
    call_id: str
    workspace_id: int
    run_id: int | None
    pbx_node_id: int | None
    phone_node_id: int | None
    agent_node_id: int | None
    direction: str
    status: str
    outcome: str
    reason: str
    disposition: str
    subscriber_phone: str
    conversation_id: str | None
    duration_sec: int
    summary: str
    transcript: str
    has_audio: bool
    created_at: datetime
    dispatched_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None


_COLUMNS = sql.SQL(", ").join(sql.Identifier("c", name) for name in CallRow._fields)


@dataclass(frozen=True, kw_only=True)
class Page:
    """`cut`: there is more in this order."""

    calls: Sequence[CallRow]
    cut: bool = False


@dataclass(frozen=True, kw_only=True)
class Want:
    """One question to the journal. `mark` is from `delta.read_mark`, taken before."""

    scopes: Sequence[Scope]
    filters: Filters
    cursor: Cursor
    mark: int
    limit: int


def page_of_calls(want: Want) -> Page:
    """The calls wanted, at most `limit` of them."""
    if not want.scopes or (want.cursor.order is not Order.NEWEST and (want.cursor.at or 0) >= want.mark):
        return Page(calls=())
    bounds = id_bounds(want.filters)
    if bounds is None:
        return Page(calls=())
    conditions = [*_cursor_conditions(want), *bounds, *outcome_condition(want.filters), *text_condition(want.filters.q)]
    # MATERIALIZED keeps the order of work: first the ids, by index alone, then whole rows.
    query = sql.SQL(
        "WITH picked AS MATERIALIZED (SELECT id, place FROM ({branches}) AS found ORDER BY place {way} LIMIT {limit}) "
        "SELECT {columns} FROM picked JOIN telephony_call c ON c.id = picked.id ORDER BY picked.place {way}"
    ).format(
        branches=sql.SQL(" UNION ALL ").join(_branches(want, conditions)),
        columns=_COLUMNS,
        way=_way(want.cursor.order),
        limit=want.limit + 1,
    )
    rows = _fetch(query)
    return Page(calls=rows[: want.limit], cut=len(rows) > want.limit)


def call_by_id(*, call_id: str, workspaces: Sequence[int]) -> CallRow | None:
    """The call `call_id`, if it is in one of `workspaces`."""
    query = sql.SQL(
        "SELECT {columns} FROM telephony_call c WHERE c.call_id = {call_id} AND c.workspace_id = ANY({workspaces})"
    ).format(columns=_COLUMNS, call_id=call_id, workspaces=list(workspaces))
    rows = _fetch(query)
    return rows[0] if rows else None


def id_bounds(filters: Filters) -> list[Part] | None:
    """The conditions on `id` that stand for the dates; None where no call can meet them.

    Ids and `created_at` are given out together and agree in order, so a moment is a place among the ids.
    """
    if filters.since is None and filters.until is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT id FROM telephony_call WHERE created_at >= %s ORDER BY created_at, id LIMIT 1),"
            " (SELECT id FROM telephony_call WHERE created_at <= %s ORDER BY created_at DESC, id DESC LIMIT 1)",
            [filters.since, filters.until],
        )
        low, high = cursor.fetchone()
    if (filters.since and low is None) or (filters.until and high is None) or (low and high and low > high):
        return None
    found: list[Part] = []
    if filters.since:
        found.append(sql.SQL("c.id >= {}").format(low))
    if filters.until:
        found.append(sql.SQL("c.id <= {}").format(high))
    return found


def text_condition(q: str) -> list[Part]:
    """`q` anywhere in number, summary or transcript, or as a whole id."""
    if not q:
        return []
    in_json = orjson.dumps(q).decode()[1:-1]  # as it stands in the transcript's JSON text
    condition = sql.SQL(
        "(c.subscriber_phone LIKE {like} OR c.summary ILIKE {like} OR c.transcript ILIKE {json_like}"
        " OR c.call_id = {q} OR c.conversation_id = {q})"
    )
    return [condition.format(like=_like(q), json_like=_like(in_json), q=q)]


def one_of(column: str, ids: Sequence[int]) -> Part:
    """`column` is one of `ids`. Of one id, an equality: only past that does an index keep its order for the planner."""
    name = sql.Identifier("c", column)
    if len(ids) == 1:
        return sql.SQL("{} = {}").format(name, ids[0])
    return sql.SQL("{} = ANY({}::bigint[])").format(name, list(ids))


def status_condition(filters: Filters) -> list[Part]:
    """Calls of these statuses."""
    return [sql.SQL("c.status = ANY({})").format(list(map(str, filters.in_statuses)))] if filters.in_statuses else []


def outcome_condition(filters: Filters) -> list[Part]:
    """Calls that ended in one of these ways."""
    return [sql.SQL("c.outcome = ANY({})").format(list(map(str, filters.outcomes)))] if filters.outcomes else []


def _like(text: str) -> str:
    escaped = text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"


def _cursor_conditions(want: Want) -> list[Part]:
    at, mark = want.cursor.at, want.mark
    if want.cursor.order is Order.VERSION:
        return [sql.SQL("c.version > {} AND c.version <= {}").format(at, mark)]
    if want.cursor.order is Order.ID:
        return [sql.SQL("c.id > {} AND c.id <= {}").format(at, mark)]
    if at is None:
        return [sql.SQL("c.id <= {}").format(mark)]
    return [sql.SQL("c.id < {} AND c.id <= {}").format(at, mark)]


def _branches(want: Want, conditions: Sequence[Part]) -> list[Part]:
    filters, order = want.filters, want.cursor.order
    if filters.run_id is not None:
        run = sql.SQL("c.run_id = {}").format(filters.run_id)
        return [_plain(want, scope, [run, *status_condition(filters), *conditions]) for scope in want.scopes]
    if order is not Order.VERSION:
        return [_lateral(want, scope, conditions, statuses=filters.in_statuses) for scope in want.scopes]
    conditions = [*status_condition(filters), *conditions]
    return [
        (_lateral if scope.column is Column.WORKSPACE else _plain)(want, scope, conditions) for scope in want.scopes
    ]


def _plain(want: Want, scope: Scope, conditions: Sequence[Part]) -> Part:
    """A scope with its values in the statement: statistics tell whether to go by run, by node or by last change."""
    where = [one_of(Column.WORKSPACE, scope.workspaces), *conditions]
    if scope.column is not Column.WORKSPACE:
        where.append(one_of(scope.column, scope.ids))
    return sql.SQL(
        "(SELECT c.id, {key} AS place FROM telephony_call c WHERE {where} ORDER BY {key} {way} LIMIT {limit})"
    ).format(
        key=_key(want.cursor.order),
        where=sql.SQL(" AND ").join(where),
        way=_way(want.cursor.order),
        limit=want.limit + 1,
    )


def _lateral(want: Want, scope: Scope, conditions: Sequence[Part], *, statuses: Sequence[str] = ()) -> Part:
    """For each id of the scope, and each status, its own few from the index that has exactly them in order.

    Were the column simply equal to the id, `ORDER BY id` would be in order by the primary key too, and the planner
    takes that whenever it thinks the few are near its end: hundreds of milliseconds for who has none. So the column
    is one of an array of one, and part of the order: that is the order of one index only.
    """
    places: list[Part] = [sql.SQL("unnest({}::bigint[]) AS place(of)").format(list(scope.ids))]
    leading: list[Part] = [sql.Identifier("c", scope.column)]
    where: list[Part] = [sql.SQL("{} = ANY(ARRAY[place.of])").format(leading[0])]
    if statuses:
        places.append(sql.SQL("unnest({}::text[]) AS wanted(status)").format(list(map(str, statuses))))
        leading.append(sql.Identifier("c", "status"))
        where.append(sql.SQL("c.status = ANY(ARRAY[wanted.status])"))
    # Columns stand in an index upwards, ids downwards: read backwards, it is the other way round.
    way = sql.SQL(" DESC" if want.cursor.order is Order.ID else "")
    return sql.SQL(
        "(SELECT few.id, few.place FROM {places} CROSS JOIN LATERAL "
        "(SELECT c.id, {key} AS place FROM telephony_call c WHERE {where} ORDER BY {order} LIMIT {limit}) AS few)"
    ).format(
        places=sql.SQL(" CROSS JOIN ").join(places),
        key=_key(want.cursor.order),
        where=sql.SQL(" AND ").join([*where, *conditions]),
        order=sql.SQL(", ").join(
            [*(each + way for each in leading), _key(want.cursor.order) + sql.SQL(" ") + _way(want.cursor.order)]
        ),
        limit=want.limit + 1,
    )


def _key(order: Order) -> Part:
    return sql.Identifier("c", "version" if order is Order.VERSION else "id")


def _way(order: Order) -> Part:
    return sql.SQL("DESC" if order is Order.NEWEST else "ASC")


def _fetch(query: Part) -> list[CallRow]:
    with connection.cursor() as cursor:
        # Five moments a call: psycopg's own loader is compiled, Django's is not. Connections are in UTC.
        cursor.adapters.register_loader("timestamptz", TimestamptzLoader)
        cursor.execute(query)
        return [CallRow._make(row) for row in cursor.fetchall()]
