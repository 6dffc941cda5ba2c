"""Campaigns: listed, looked at, renamed, paused, resumed and cancelled."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aispinner.core.access import as_id, visible_workspaces, workspace_for
from aispinner.core.auth import caller
from aispinner.core.errors import NotFound
from aispinner.core.models import Node, Role
from telephony.api.finding import could_be_id, run_for
from telephony.api.reading import Body, Query
from telephony.api.shapes import RUN_RELATIONS, run_json
from telephony.models import Recipient, RecipientStatus, Run, RunStatus
from telephony.services import cancel_run, pause_run, rename_run, resume_run
from telephony.stacks import stack_for

LIMIT, MOST = 100, 1000


class RunsView(APIView):
    """GET /telephony/runs"""

    def get(self, request: Request) -> Response:
        """The caller's campaigns, newest first; `before` is the call_id to go on below."""
        runs, total = _listed(request, statuses=None)
        return Response({"runs": [run_json(run) for run in runs], "total": total})


class ResumableView(APIView):
    """GET /telephony/runs/resumable"""

    def get(self, request: Request) -> Response:
        """The caller's paused campaigns with the numbers that are still to be dialled, in their order."""
        runs, total = _listed(request, statuses=(RunStatus.PAUSED,))
        remaining = _remaining_numbers(runs)
        shaped = [{**run_json(run), "remaining_numbers": remaining.get(run.pk, [])} for run in runs]
        return Response({"runs": shaped, "total": total})


class RunView(APIView):
    """GET /telephony/runs/{call_id}"""

    def get(self, request: Request, call_id: str) -> Response:
        """One campaign."""
        return Response(run_json(run_for(user=caller(request), call_id=call_id)))


class PauseView(APIView):
    """POST /telephony/runs/{call_id}/pause"""

    def post(self, request: Request, call_id: str) -> Response:
        """The campaign, from which nothing more is submitted."""
        Body(request.data, known=()).check()
        user = caller(request)
        run = run_for(user=user, call_id=call_id, role=Role.EDITOR)
        return Response(_shape(pause_run(run=run, user=user)))


class ResumeView(APIView):
    """POST /telephony/runs/{call_id}/resume"""

    def post(self, request: Request, call_id: str) -> Response:
        """The campaign, running again."""
        Body(request.data, known=()).check()
        user = caller(request)
        run = run_for(user=user, call_id=call_id, role=Role.EDITOR)
        return Response(_shape(resume_run(run=run, user=user)))


class CancelView(APIView):
    """POST /telephony/runs/{call_id}/cancel"""

    def post(self, request: Request, call_id: str) -> Response:
        """The cancelled campaign, and in `detail` what becomes of the calls that are up."""
        user = caller(request)
        run = run_for(user=user, call_id=call_id, role=Role.EDITOR)
        body = Body(request.data, known=("hangup",))
        hangup = body.flag("hangup")
        body.check()
        shaped = _shape(cancel_run(run=run, user=user, hangup=hangup))
        if shaped["in_flight_count"] and not (hangup and stack_for(run.voice_stack).can_hang_up):
            shaped["detail"] = "Nothing more is dialled. Calls that are up end by themselves."
        return Response(shaped)


class NameView(APIView):
    """PATCH /telephony/runs/{call_id}/name"""

    def patch(self, request: Request, call_id: str) -> Response:
        """The campaign under its new name."""
        user = caller(request)
        run = run_for(user=user, call_id=call_id, role=Role.EDITOR)
        body = Body(request.data, known=("name",))
        name = body.text("name", required=True)
        body.check()
        return Response(_shape(rename_run(run=run, name=name, user=user)))


def _shape(run: Run) -> dict[str, Any]:
    """The campaign as it is now in the database, whatever the service has read of it before."""
    return run_json(Run.objects.select_related(*RUN_RELATIONS).get(pk=run.pk))


def _listed(request: Request, *, statuses: tuple[str, ...] | None) -> tuple[list[Run], int]:
    query = Query(request.query_params)
    workspace_id, node_id = query.text("workspace_id"), query.text("node_id", longest=100)
    limit = query.whole("limit", low=1, high=MOST) or LIMIT
    before = query.text("before")
    if statuses is None:
        statuses = query.choices("status", RunStatus.values)
    query.check()
    runs = _in_scope(user=caller(request), workspace_id=workspace_id, node_id=node_id)
    if statuses:
        runs = runs.filter(status__in=statuses)
    total = runs.count()
    if before:
        first = runs.model.objects.filter(call_id=before, workspace__memberships__user=caller(request)).first()
        if first is None or not could_be_id(before):
            raise NotFound("before: no campaign has this call_id. Send the last one of the page before.")
        runs = runs.filter(pk__lt=first.pk)
    return list(runs.select_related(*RUN_RELATIONS).order_by("-pk")[:limit]), total


def _in_scope(*, user: User, workspace_id: str, node_id: str) -> QuerySet[Run]:
    """The campaigns of the workspace, of the node, or of all that the caller sees."""
    if workspace_id:
        workspaces = [workspace_for(user=user, workspace_id=as_id(workspace_id, field="workspace_id"))]
    else:
        workspaces = list(visible_workspaces(user))
    runs = Run.objects.filter(workspace__in=workspaces)
    if node_id:
        nodes = list(Node.objects.filter(workspace__in=workspaces, node_id=node_id))
        if not nodes:
            raise NotFound("Node not found. GET /workspaces/{id}/nodes lists the nodes of a workspace.")
        runs = runs.filter(node__in=nodes)
    return runs


def _remaining_numbers(runs: list[Run]) -> dict[int, list[str]]:
    pending = Recipient.objects.filter(run__in=runs, status=RecipientStatus.PENDING)
    grouped = pending.values("run_id").annotate(numbers=ArrayAgg("number", order_by="position")).order_by()
    return {row["run_id"]: row["numbers"] for row in grouped}
