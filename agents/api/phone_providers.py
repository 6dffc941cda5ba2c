"""The phone provider of a node: shown, set, removed, and taken over from ElevenLabs."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.inbound import Answering, have_answered, import_number
from aispinner.core.access import node_for
from aispinner.core.auth import caller
from aispinner.core.errors import Invalid
from aispinner.core.models import Node, NodeType, Role
from integrations.api.reading import json_object, text_field
from integrations.numbers import parse_e164
from integrations.phone_providers import delete_provider, provider_of, save_provider, shown


class PhoneProviderView(APIView):
    """/workspaces/{workspace_id}/nodes/{node_id}/phone-provider."""

    def get(self, request: Request, workspace_id: str, node_id: str) -> Response:
        """The provider, its secrets only as `has_…`."""
        node = _node(request, workspace_id, node_id, role=Role.VIEWER)
        return Response(shown(provider_of(node=node)))

    def put(self, request: Request, workspace_id: str, node_id: str) -> Response:
        """Set it; what is left out stays as it is. `inbound` says whether the agent answers the number now."""
        node = _node(request, workspace_id, node_id, role=Role.EDITOR)
        saved = save_provider(node=node, data=json_object(request))
        answering = have_answered(provider=saved.provider)
        saved.provider.refresh_from_db(fields=["registered_id", "registered_account"])
        return Response({**shown(saved.provider), "inbound": _shown(answering), "warnings": saved.warnings})

    def delete(self, request: Request, workspace_id: str, node_id: str) -> Response:
        """Remove it here; nothing changes at ElevenLabs."""
        provider = provider_of(node=_node(request, workspace_id, node_id, role=Role.EDITOR))
        delete_provider(provider=provider)
        return Response(status=204)


class ImportView(APIView):
    """POST /workspaces/{workspace_id}/nodes/{node_id}/phone-provider/import."""

    def post(self, request: Request, workspace_id: str, node_id: str) -> Response:
        """Take a number over from ElevenLabs, without its carrier's credentials."""
        node = _node(request, workspace_id, node_id, role=Role.EDITOR)
        data = json_object(request)
        unknown = sorted(set(data) - {"phone_number_id", "phone_number"})
        if unknown:
            raise Invalid(
                "Takes phone_number_id or phone_number, or nothing.", errors={name: ["Unknown."] for name in unknown}
            )
        number = text_field(data, "phone_number", required=False)
        try:
            number = parse_e164(number) if number else ""
        except ValueError as error:
            raise Invalid(f"phone_number: {error}", errors={"phone_number": [str(error)]}) from None
        phone_number_id = text_field(data, "phone_number_id", required=False)
        provider = import_number(node=node, phone_number_id=phone_number_id, phone_number=number)
        return Response(shown(provider))


def _node(request: Request, workspace_id: str, node_id: str, *, role: Role) -> Node:
    return node_for(
        user=caller(request), workspace_id=workspace_id, node_id=node_id, role=role, types=[NodeType.PHONE_NUMBER]
    )


def _shown(answering: Answering) -> dict[str, Any]:
    return {"answers": answering.answers, "detail": answering.detail}
