"""`/workspaces/{id}`, here because deleting one concerns its campaigns."""

from __future__ import annotations

from http import HTTPStatus

from rest_framework.request import Request
from rest_framework.response import Response

from aispinner.core.api.workspaces import WorkspaceView
from aispinner.core.auth import caller
from telephony.workspaces import delete_workspace


class OneWorkspaceView(WorkspaceView):
    """GET, PATCH and DELETE /workspaces/{workspace_id}"""

    def delete(self, request: Request, workspace_id: str) -> Response:
        """Delete the workspace and everything in it: 204; 409 while a campaign in it has not ended."""
        delete_workspace(user=caller(request), workspace_id=workspace_id)
        return Response(status=HTTPStatus.NO_CONTENT)
