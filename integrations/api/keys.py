"""ElevenLabs API keys: listed and added. Of a key's text, only the last 4 characters ever leave."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aispinner.core.access import choose_workspace
from aispinner.core.auth import caller
from aispinner.core.models import Role
from integrations.api.reading import json_object, text_field
from integrations.models import ElevenLabsKey
from integrations.services import add_key


def shown_key(key: ElevenLabsKey) -> dict[str, Any]:
    """The key as clients see it; `concurrency_limit` is its account's, over all keys and campaigns."""
    return {
        "id": key.pk,
        "workspace_id": key.workspace_id,
        "title": key.title,
        "last4": key.last4,
        "status": key.status,
        "account_id": key.account_id,
        "tier": key.account.tier,
        "concurrency_limit": key.account.concurrency_limit,
        "checked_at": key.checked_at,
        "created_at": key.created_at,
    }


class KeysView(APIView):
    """GET and POST /integrations/elevenlabs/keys."""

    def get(self, request: Request) -> Response:
        """The workspace's keys, newest first."""
        workspace = choose_workspace(
            user=caller(request), workspace_id=request.query_params.get("workspace_id"), role=Role.VIEWER
        )
        keys = (
            ElevenLabsKey.objects.filter(workspace=workspace).select_related("account").order_by("-created_at", "-pk")
        )
        shown = [shown_key(key) for key in keys]
        return Response({"keys": shown, "total": len(shown)})

    def post(self, request: Request) -> Response:
        """Check a key at ElevenLabs and keep it, encrypted."""
        data = json_object(request)
        named = data.get("workspace_id", request.query_params.get("workspace_id"))
        workspace = choose_workspace(user=caller(request), workspace_id=named, role=Role.OWNER)
        added = add_key(
            workspace=workspace,
            title=text_field(data, "title", required=False),
            key=text_field(data, "key", longest=1000),
        )
        webhook = {"status": added.webhook.state.value, "detail": added.webhook.detail}
        return Response({**shown_key(added.key), "webhook": webhook})
