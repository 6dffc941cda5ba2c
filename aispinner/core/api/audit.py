"""`/workspaces/{id}/audit`: who did what in a workspace, for its owners."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aispinner.core.access import LARGEST_ID, workspace_for
from aispinner.core.auth import caller
from aispinner.core.models import AuditEntry, Role, Via

LIMIT, MOST = 100, 1000


class AuditQuery(serializers.Serializer[Any]):
    """The query of GET /workspaces/{workspace_id}/audit."""

    before_id = serializers.IntegerField(required=False, min_value=0, max_value=LARGEST_ID)
    limit = serializers.IntegerField(required=False, min_value=1, max_value=MOST, default=LIMIT)
    action = serializers.CharField(required=False, max_length=60)
    object_id = serializers.CharField(required=False, max_length=100)
    user_id = serializers.IntegerField(required=False, min_value=0, max_value=LARGEST_ID)
    via = serializers.ChoiceField(choices=Via.choices, required=False)


class AuditView(APIView):
    """GET /workspaces/{workspace_id}/audit"""

    def get(self, request: Request, workspace_id: str) -> Response:
        """The entries, newest first; `before_id` is the id to go on below."""
        workspace = workspace_for(user=caller(request), workspace_id=workspace_id, role=Role.OWNER)
        query = AuditQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        entries = AuditEntry.objects.filter(workspace=workspace)
        if action := asked.get("action"):
            entries = (
                entries.filter(action=action) if "." in action else entries.filter(action__startswith=f"{action}.")
            )
        entries = entries.filter(**{name: asked[name] for name in ("object_id", "user_id", "via") if name in asked})
        total = entries.count()
        if "before_id" in asked:
            entries = entries.filter(pk__lt=asked["before_id"])
        found = list(entries.order_by("-pk")[: asked["limit"] + 1])
        page = found[: asked["limit"]]
        return Response({"entries": list(map(show, page)), "total": total, "has_more": len(found) > len(page)})


def show(entry: AuditEntry) -> dict[str, Any]:
    """An entry as an owner sees it."""
    return {
        "id": entry.pk,
        "at": entry.at,
        "action": entry.action,
        "object": {"kind": entry.kind, "id": entry.object_id, "name": entry.object_name},
        "changes": entry.changes,
        "user": {"user_id": entry.user_id, "username": entry.username} if entry.user_id else None,
        "via": entry.via,
        "token": {"id": entry.token_id, "name": entry.token_name} if entry.token_id else None,
        "request_id": entry.request_id,
    }
