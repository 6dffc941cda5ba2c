"""The journal over HTTP: of all nodes, of one node, and a single call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.views import APIView

from aispinner.core.access import LARGEST_ID, choose_node, visible_workspaces, workspace_for
from aispinner.core.audit import record
from aispinner.core.auth import caller
from aispinner.core.errors import NotFound
from aispinner.core.models import Node, Workspace
from aispinner.core.rendering import dump_json
from integrations.calls import Outcome
from telephony.api.export import CSVAnswers, csv_file, wants_csv
from telephony.api.finding import NO_CALL, NO_RUN, could_be_id
from telephony.api.reading import Query
from telephony.api.shapes import call_json, journal_json
from telephony.journal.delta import MARK, Cursor, Order
from telephony.journal.export import journal_csv
from telephony.journal.filters import Filters
from telephony.journal.page import node_ids_of, read_journal
from telephony.journal.query import call_by_id
from telephony.journal.scope import Scope, scope_of_workspaces, scopes_of_nodes, within
from telephony.models import CallStatus, Run

LIMIT, MOST = 200, 1000
STATUSES, OUTCOMES = tuple(CallStatus.values), tuple(Outcome.values)  # each time Django would make the list anew
CURSORS = {"since_version": Order.VERSION, "since_id": Order.ID, "before_id": Order.NEWEST}


class JournalView(CSVAnswers):
    """GET /telephony/journal"""

    def get(self, request: Request) -> HttpResponseBase:
        """The calls of all the caller's workspaces, or of one; of all nodes, or of one."""
        query = Query(request.query_params)
        workspace_id, node_id = query.text("workspace_id"), query.text("node_id", longest=100)
        user = caller(request)
        if workspace_id:
            workspaces = [workspace_for(user=user, workspace_id=workspace_id)]
        else:
            workspaces = list(visible_workspaces(user))
        scopes = scope_of_workspaces(workspaces)
        if node_id:
            nodes = list(Node.objects.filter(workspace__in=workspaces, node_id=node_id))
            if not nodes:
                raise NotFound("Node not found. GET /workspaces/{id}/nodes lists the nodes of a workspace.")
            scopes = scopes_of_nodes(nodes)
        return _answer(request, query, scopes, workspaces=[workspace.pk for workspace in workspaces])


class NodeJournalView(CSVAnswers):
    """GET /telephony/journal/{node_id}"""

    def get(self, request: Request, node_id: str) -> HttpResponseBase:
        """The calls that went through one node; of a journal or monitor block, through the nodes connected with it."""
        query = Query(request.query_params)
        workspace_id = query.text("workspace_id")
        node, mark = choose_node(user=caller(request), workspace_id=workspace_id, node_id=node_id, beside=MARK)
        return _answer(request, query, scopes_of_nodes([node]), workspaces=[node.workspace_id], mark=mark)


class CallView(APIView):
    """GET /telephony/journal/call/{call_id}"""

    def get(self, request: Request, call_id: str) -> HttpResponse:
        """One call, with its whole transcript and summary."""
        row = None
        if could_be_id(call_id):
            row = call_by_id(call_id=call_id, workspaces=_visible_ids(caller(request)))
        if row is None:
            raise NotFound(NO_CALL)
        parent = Run.objects.filter(pk=row.run_id).values_list("call_id", flat=True).first() if row.run_id else None
        return _json(call_json(row, parent=parent, node_ids=node_ids_of([row]), root=_root(request)))


def _answer(
    request: Request, query: Query, scopes: list[Scope], *, workspaces: Sequence[int], mark: int | None = None
) -> HttpResponseBase:
    cursor = _cursor(query)
    as_csv = wants_csv(request)  # as long as the journal is, unless a limit is sent
    limit = query.whole("limit", low=1, high=LARGEST_ID if as_csv else MOST)
    filters, parent = _filters(query), query.text("parent_call_id")
    query.check()
    if parent:
        run = _run(parent, workspaces=workspaces)
        filters, scopes = replace(filters, run_id=run.pk), within(scopes, workspace_id=run.workspace_id)
    if as_csv:
        for workspace in Workspace.objects.filter(pk__in=workspaces):
            record(action="journal.exported", about=workspace, workspace=workspace)
        return csv_file(journal_csv(scopes=scopes, filters=filters, cursor=cursor, limit=limit), name="journal")
    journal = read_journal(scopes=scopes, filters=filters, cursor=cursor, limit=limit or LIMIT, mark=mark)
    root = _root(request) if journal.calls else ""  # for the recordings of calls
    return _json(journal_json(journal, root=root))


def _cursor(query: Query) -> Cursor:
    places = {name: query.whole(name) for name in CURSORS}
    given = [(name, at) for name, at in places.items() if at is not None]
    if len(given) > 1:
        query.blame(given[1][0], f"Send {given[0][0]} or {given[1][0]}, not both.")
    return Cursor(order=CURSORS[given[0][0]], at=given[0][1]) if given else Cursor()


def _filters(query: Query) -> Filters:
    statuses = tuple(CallStatus(word) for word in query.choices("status", STATUSES))
    outcomes = tuple(Outcome(word) for word in query.choices("outcome", OUTCOMES))
    since, until = query.moment("date_from", end=False), query.moment("date_to", end=True)
    return Filters(statuses=statuses, outcomes=outcomes, since=since, until=until, q=query.text("q"))


def _run(call_id: str, *, workspaces: Sequence[int]) -> Run:
    run = Run.objects.filter(call_id=call_id, workspace__in=workspaces).first() if could_be_id(call_id) else None
    if run is None:
        raise NotFound(NO_RUN)
    return run


def _visible_ids(user: User) -> list[int]:
    return list(visible_workspaces(user).values_list("pk", flat=True))


def _root(request: Request) -> str:
    return request.build_absolute_uri("/").rstrip("/")


def _json(value: dict[str, Any]) -> HttpResponse:
    """An answer made at once: the negotiation of formats would cost more than reading the rows."""
    return HttpResponse(dump_json(value), content_type="application/json")
