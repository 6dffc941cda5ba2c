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
_KEYS = {Order.NEWEST: "id", Order.ID: "id", Order.VERSION: "version"}


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
    conditions = [*_cursor_conditions(want), *bounds, *text_condition(want.filters.q)]
    key = sql.Identifier(_KEYS[want.cursor.order])
    end = sql.SQL("ORDER BY {key} {way} LIMIT {limit}").format(
        key=key, way=sql.SQL("DESC" if want.cursor.order is Order.NEWEST else "ASC"), limit=want.limit + 1
    )
    # MATERIALIZED keeps the order of work: first the ids, by index alone, then whole rows.
    query = sql.SQL(
        "WITH picked AS MATERIALIZED (SELECT id, {key} AS place FROM ({branches}) AS found {end}) "
        "SELECT {columns} FROM picked JOIN telephony_call c ON c.id = picked.id ORDER BY picked.place {way}"
    ).format(
        key=key,
        branches=sql.SQL(" UNION ALL ").join(_branches(want, conditions, end)),
        end=end,
        columns=_COLUMNS,
        way=sql.SQL("DESC" if want.cursor.order is Order.NEWEST else "ASC"),
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


def scope_condition(scope: Scope) -> Part:
    """Calls in this scope."""
    return sql.SQL("{} = ANY({})").format(sql.Identifier("c", scope.column), list(scope.ids))


def status_condition(filters: Filters) -> list[Part]:
    """Calls of these statuses."""
    return [sql.SQL("c.status = ANY({})").format(list(map(str, filters.statuses)))] if filters.statuses else []


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


def _branches(want: Want, conditions: Sequence[Part], end: Part) -> list[Part]:
    filters = want.filters
    if filters.run_id is not None:
        run = sql.SQL("c.run_id = {}").format(filters.run_id)
        return [_plain(scope, [run, *status_condition(filters), *conditions], end) for scope in want.scopes]
    if want.cursor.order is not Order.VERSION:
        return [_lateral(scope, filters, conditions, end) for scope in want.scopes]
    conditions = [*status_condition(filters), *conditions]
    return [
        _lateral(scope, Filters(), conditions, end)
        if scope.column is Column.WORKSPACE
        else _plain(scope, conditions, end)
        for scope in want.scopes
    ]


def _plain(scope: Scope, conditions: Sequence[Part], end: Part) -> Part:
    """A scope with the values in the statement: statistics tell whether to go by run, by node or by last change."""
    where = sql.SQL(" AND ").join(
        [
            sql.SQL("c.workspace_id = ANY({})").format(list(scope.workspaces)),
            *([] if scope.column is Column.WORKSPACE else [scope_condition(scope)]),
            *conditions,
        ]
    )
    return sql.SQL("(SELECT c.id, c.version FROM telephony_call c WHERE {} {})").format(where, end)


def _lateral(scope: Scope, filters: Filters, conditions: Sequence[Part], end: Part) -> Part:
    """For each id of the scope, and each status, its own few from the index that has exactly them in order."""
    places: list[Part] = [sql.SQL("unnest({}::bigint[]) AS place(of)").format(list(scope.ids))]
    where: list[Part] = [sql.SQL("{} = place.of").format(sql.Identifier("c", scope.column))]
    if filters.statuses:
        places.append(sql.SQL("unnest({}::text[]) AS wanted(status)").format(list(map(str, filters.statuses))))
        where.append(sql.SQL("c.status = wanted.status"))
    return sql.SQL(
        "(SELECT few.id, few.version FROM {places} CROSS JOIN LATERAL "
        "(SELECT c.id, c.version FROM telephony_call c WHERE {where} {end}) AS few)"
    ).format(places=sql.SQL(" CROSS JOIN ").join(places), where=sql.SQL(" AND ").join([*where, *conditions]), end=end)


def _fetch(query: Part) -> list[CallRow]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return [CallRow._make(row) for row in cursor.fetchall()]
