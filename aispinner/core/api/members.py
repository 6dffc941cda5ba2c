"""`/workspaces/{id}/members`: who is in a workspace, and as what. Changes count from the next request on."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aispinner.core.access import workspace_for
from aispinner.core.api.fields import RoleField, StrictSerializer, TextField
from aispinner.core.auth import caller
from aispinner.core.models import Membership, Role, Workspace
from aispinner.core.workspaces import add_member, change_role, locked_workspace, member_of, remove_member


class NewMemberSerializer(StrictSerializer):
    """The body of POST /workspaces/{workspace_id}/members."""

    username = TextField(max_length=150)
    role = RoleField(default=Role.VIEWER)


class MemberSerializer(StrictSerializer):
    """The body of PATCH /workspaces/{workspace_id}/members/{user_id}."""

    shown_only = ("user_id", "username", "created_at")

    role = RoleField()


class MembersView(APIView):
    """GET and POST /workspaces/{workspace_id}/members"""

    def get(self, request: Request, workspace_id: str) -> Response:
        """The members, oldest first."""
        workspace = workspace_for(user=caller(request), workspace_id=workspace_id)
        found = Membership.objects.select_related("user").filter(workspace=workspace).order_by("created_at", "pk")
        members = [show(member) for member in found]
        return Response({"members": members, "total": len(members)})

    @transaction.atomic
    def post(self, request: Request, workspace_id: str) -> Response:
        """Let a user in, by their name: 201."""
        workspace = _owned(request, workspace_id)
        body = NewMemberSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        member = add_member(workspace=workspace, username=given["username"], role=Role(given["role"]))
        return Response(show(member), status=HTTPStatus.CREATED)


class MemberView(APIView):
    """PATCH and DELETE /workspaces/{workspace_id}/members/{user_id}"""

    @transaction.atomic
    def patch(self, request: Request, workspace_id: str, user_id: str) -> Response:
        """The member in another role."""
        member = member_of(workspace=_owned(request, workspace_id), user_id=user_id)
        body = MemberSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(show(change_role(member=member, role=Role(body.validated_data["role"]))))

    @transaction.atomic
    def delete(self, request: Request, workspace_id: str, user_id: str) -> Response:
        """See the member out: 204."""
        remove_member(member=member_of(workspace=_owned(request, workspace_id), user_id=user_id))
        return Response(status=HTTPStatus.NO_CONTENT)


def show(member: Membership) -> dict[str, Any]:
    """A member as the others see them."""
    return {
        "user_id": member.user_id,
        "username": member.user.get_username(),
        "role": str(member.role),
        "created_at": member.created_at,
    }


def _owned(request: Request, workspace_id: str) -> Workspace:
    return locked_workspace(user=caller(request), workspace_id=workspace_id, role=Role.OWNER)
