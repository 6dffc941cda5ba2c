"""How many calls a journal holds, and how long they took: from counters, whatever its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection
from psycopg import sql

from telephony.journal.filters import Filters
from telephony.journal.query import Part, id_bounds, one_of, outcome_condition, status_condition, text_condition
from telephony.journal.scope import Column, Scope

COUNTED_UP_TO = 10_000


@dataclass(frozen=True, kw_only=True)
class Total:
    """`capped`: there are at least as many; no more were counted."""

    calls: int = 0
    duration_sec: int = 0
    capped: bool = False


def total_of(*, scopes: Sequence[Scope], filters: Filters) -> Total:
    """What all calls that match come to, not only those of one page.

    Whole days and statuses are read from the counters that every writer of calls keeps in its own transaction.
    Outcomes, texts and parts of days are counted one by one, as far as COUNTED_UP_TO; the calls of one campaign,
    which are as many as it has numbers, all.
    """
    if not scopes:
        return Total()
    days = filters.days
    if filters.q or filters.outcomes or days is None:
        return _counted(scopes=scopes, filters=filters, limit=COUNTED_UP_TO)
    if filters.run_id is not None:
        return _counted(scopes=scopes, filters=filters, limit=None)
    return _from_counters(scopes=scopes, filters=filters)


def _from_counters(*, scopes: Sequence[Scope], filters: Filters) -> Total:
    first, last = filters.days or (None, None)
    conditions: list[Part] = []
    if filters.statuses:
        conditions.append(sql.SQL("status = ANY({})").format(list(map(str, filters.statuses))))
    if first:
        conditions.append(sql.SQL("day >= {}").format(first))
    if last:
        conditions.append(sql.SQL("day <= {}").format(last))
    if not first and not last:
        conditions.append(sql.SQL("day IS NULL"))
    branches = [
        sql.SQL("SELECT calls, duration_sec FROM telephony_journaltotal WHERE {}").format(
            sql.SQL(" AND ").join([*_counter_rows(scope), *conditions])
        )
        for scope in scopes
    ]
    calls, seconds = _sum(sql.SQL(" UNION ALL ").join(branches))
    return Total(calls=calls, duration_sec=seconds)


def _counter_rows(scope: Scope) -> list[Part]:
    workspaces = sql.SQL("workspace_id = ANY({})").format(list(scope.workspaces))
    if scope.column is Column.WORKSPACE:
        return [workspaces, sql.SQL("node_id IS NULL")]
    return [workspaces, sql.SQL("node_id = ANY({})").format(list(scope.ids))]


def _counted(*, scopes: Sequence[Scope], filters: Filters, limit: int | None) -> Total:
    bounds = id_bounds(filters)
    if bounds is None:
        return Total()
    conditions = [*status_condition(filters), *outcome_condition(filters), *bounds, *text_condition(filters.q)]
    if filters.run_id is not None:
        conditions.append(sql.SQL("c.run_id = {}").format(filters.run_id))
    branches = [
        sql.SQL("(SELECT 1 AS calls, c.duration_sec FROM telephony_call c WHERE {} LIMIT {})").format(
            sql.SQL(" AND ").join([one_of(scope.column, scope.ids), *conditions]), limit
        )
        for scope in scopes
    ]
    query = sql.SQL("SELECT * FROM ({}) AS found LIMIT {}").format(sql.SQL(" UNION ALL ").join(branches), limit)
    calls, seconds = _sum(query)
    return Total(calls=calls, duration_sec=seconds, capped=calls == limit)


def _sum(query: Part) -> tuple[int, int]:
    whole = sql.SQL("SELECT coalesce(sum(calls), 0), coalesce(sum(duration_sec), 0) FROM ({}) AS every").format(query)
    with connection.cursor() as cursor:
        cursor.execute(whole)
        calls, seconds = cursor.fetchone()
    return int(calls), int(seconds)
