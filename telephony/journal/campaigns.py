"""The campaigns beside a page of calls: parents of the calls, those still going on, those changed since the cursor."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection
from psycopg import sql

from telephony.journal.query import Part
from telephony.journal.scope import Column, Scope


class CampaignRow(NamedTuple):
    """A campaign with its counts; `node_id` is the client's."""

    run_id: int
    call_id: str
    name: str
    status: str
    workspace_id: int
    node_id: str
    wait_reason: str
    numbers_count: int
    child_count: int
    pending: int
    in_flight: int
    success: int
    failed: int
    cancelled: int
    total_duration_sec: int
    version: int
    created_at: datetime
    finished_at: datetime | None


_COLUMNS = sql.SQL(
    "r.id, r.call_id, r.name, r.status, r.workspace_id, n.node_id, r.wait_reason, p.numbers_count, p.child_count,"
    " p.pending, p.in_flight, p.success, p.failed, p.cancelled, p.total_duration_sec, p.version,"
    " r.created_at, r.finished_at"
)
_OF_NODES = {
    Column.WORKSPACE: sql.SQL("r.workspace_id = ANY({ids})"),
    Column.PBX: sql.SQL("r.node_id = ANY({ids})"),
    Column.PHONE: sql.SQL(
        "(r.node_id = ANY({ids}) OR r.phone_provider_id IN"
        " (SELECT id FROM integrations_phoneprovider WHERE node_id = ANY({ids})))"
    ),
    Column.AGENT: sql.SQL("r.agent_id IN (SELECT id FROM agents_agent WHERE node_id = ANY({ids}))"),
}


def campaigns_beside(
    *,
    scopes: Sequence[Scope],
    parents: Collection[int],
    changed: tuple[int, int] | None = None,
    run_id: int | None = None,
) -> list[CampaignRow]:
    """Newest first: `parents`, every unfinished run in scope, and every run whose version is in `changed`.

    `changed` is (after, up to). Up to where the reader will go on from, and no further: a reader that pages through
    a long list of changes gets each run about once, instead of all of them with every page.
    With `run_id` the scope is that run alone.
    """
    if run_id is not None:
        ids: list[Part] = [sql.SQL("SELECT unnest({}::bigint[]) AS id").format([run_id])]
    else:
        ids = [sql.SQL("SELECT unnest({}::bigint[]) AS id").format(list(parents))]
        for scope in scopes:
            ids += _in_scope(_OF_NODES[scope.column].format(ids=list(scope.ids)), changed)
    query = sql.SQL(
        "SELECT {columns} FROM ({ids}) AS listed JOIN telephony_run r ON r.id = listed.id"
        " JOIN telephony_runprogress p ON p.run_id = r.id JOIN core_node n ON n.id = r.node_id ORDER BY r.id DESC"
    ).format(columns=_COLUMNS, ids=sql.SQL(" UNION ").join(ids))
    with connection.cursor() as cursor:
        cursor.execute(query)
        return [CampaignRow._make(row) for row in cursor.fetchall()]


def _in_scope(condition: Part, changed: tuple[int, int] | None) -> list[Part]:
    found: list[Part] = [
        sql.SQL("SELECT r.id FROM telephony_run r WHERE {} AND r.finished_at IS NULL").format(condition)
    ]
    if changed is not None and changed[0] < changed[1]:
        found.append(
            sql.SQL(
                "SELECT r.id FROM telephony_runprogress p JOIN telephony_run r ON r.id = p.run_id"
                " WHERE p.version > {} AND p.version <= {} AND {}"
            ).format(*changed, condition)
        )
    return found
