"""`/workspaces` and `/workspaces/{id}`: listed, made, shown and renamed. Deleting concerns campaigns: a floor above."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aispinner.core.access import workspace_for
from aispinner.core.api.fields import StrictSerializer, TextField
from aispinner.core.auth import caller
from aispinner.core.models import Membership, Role, Workspace
from aispinner.core.workspaces import create_workspace, locked_workspace, rename_workspace


class WorkspaceSerializer(StrictSerializer):
    """The body of POST /workspaces and PATCH /workspaces/{id}."""

    shown_only = ("id", "role", "created_at")

    name = TextField(max_length=200)


class WorkspacesView(APIView):
    """GET and POST /workspaces"""

    def get(self, request: Request) -> Response:
        """The caller's, with their role; first the one that is meant where no workspace_id is sent."""
        mine = Membership.objects.select_related("workspace").filter(user=caller(request)).order_by("created_at", "pk")
        workspaces = [show(membership) for membership in mine]
        return Response({"workspaces": workspaces, "total": len(workspaces)})

    def post(self, request: Request) -> Response:
        """A new one, which the caller owns: 201."""
        body = WorkspaceSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        membership = create_workspace(user=caller(request), name=body.validated_data["name"])
        return Response(show(membership), status=HTTPStatus.CREATED)


class WorkspaceView(APIView):
    """GET and PATCH /workspaces/{workspace_id}"""

    def get(self, request: Request, workspace_id: str) -> Response:
        """The workspace, and the caller's role in it."""
        user = caller(request)
        return Response(_shown(user, workspace_for(user=user, workspace_id=workspace_id)))

    @transaction.atomic
    def patch(self, request: Request, workspace_id: str) -> Response:
        """The workspace under its new name."""
        user = caller(request)
        workspace = locked_workspace(user=user, workspace_id=workspace_id, role=Role.OWNER)
        body = WorkspaceSerializer(data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        rename_workspace(workspace=workspace, name=body.validated_data.get("name", workspace.name))
        return Response(_shown(user, workspace))


def show(membership: Membership) -> dict[str, Any]:
    """A workspace as one of its members sees it."""
    workspace = membership.workspace
    return {
        "id": workspace.pk,
        "name": workspace.name,
        "role": str(membership.role),
        "created_at": workspace.created_at,
    }


def _shown(user: User, workspace: Workspace) -> dict[str, Any]:
    return show(Membership.objects.select_related("workspace").get(user=user, workspace=workspace))
