"""ElevenLabs' agents: listed, adopted into nodes, and compared with what was adopted."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.models import Agent
from agents.services import adopt_agent, agent_of, drift_of
from aispinner.core.access import choose_workspace, node_in
from aispinner.core.auth import caller
from aispinner.core.models import NodeType, Role
from integrations.api.reading import json_object, text_field
from integrations.models import ElevenLabsKey
from integrations.overview import list_agents, shown_failure

LONGEST_ID = 100


def shown_agent(agent: Agent) -> dict[str, Any]:
    """The adopted agent as clients see it."""
    return {
        "workspace_id": agent.workspace_id,
        "node_id": agent.node.node_id,
        "elevenlabs_agent_id": agent.elevenlabs_agent_id,
        "name": agent.name,
        "voice_id": agent.voice_id,
        "prompt": agent.prompt,
        "first_message": agent.first_message,
        "language": agent.language,
        "model": agent.model,
        "temperature": agent.temperature,
        "max_tokens": agent.max_tokens,
        "tools": agent.tools,
        "voice_settings": agent.voice_settings,
        "platform_tools": agent.platform_tools,
        "safety_rules": agent.safety_rules,
        "raw_config": agent.raw_config,
        "adopted_at": agent.adopted_at,
        "refreshed_at": agent.refreshed_at,
    }


class ElevenLabsAgentsView(APIView):
    """GET /agents/elevenlabs/list."""

    def get(self, request: Request) -> Response:
        """The agents of all keys' accounts; `errors` names the keys that could not be asked."""
        workspace = choose_workspace(user=caller(request), workspace_id=request.query_params.get("workspace_id"))
        listed = list_agents(keys=ElevenLabsKey.objects.filter(workspace=workspace).select_related("account"))
        nodes: dict[str, list[str]] = {}
        adopted = Agent.objects.filter(workspace=workspace).order_by("pk")
        for agent_id, node_id in adopted.values_list("elevenlabs_agent_id", "node__node_id"):
            nodes.setdefault(agent_id, []).append(node_id)
        agents = [
            {
                "elevenlabs_agent_id": found.agent.id,
                "name": found.agent.name,
                "tags": found.agent.tags,
                "archived": found.agent.archived,
                "created_at": found.agent.created_at,
                "last_call_at": found.agent.last_call_at,
                "account_id": found.key.account_id,
                "key_id": found.key.pk,
                "adopted_by": nodes.get(found.agent.id, []),
            }
            for found in listed.found
        ]
        errors = [shown_failure(failure) for failure in listed.failures]
        return Response({"agents": agents, "total": len(agents), "errors": errors})


class AdoptView(APIView):
    """POST /agents/adopt."""

    def post(self, request: Request) -> Response:
        """Copy an agent's configuration into a node; again is a refresh."""
        data = json_object(request)
        node_id = data.get("node_id")
        named = data.get("workspace_id", request.query_params.get("workspace_id"))
        workspace = choose_workspace(user=caller(request), workspace_id=named, node_id=node_id, role=Role.EDITOR)
        text_field(data, "node_id")
        agent_id = text_field(data, "elevenlabs_agent_id", longest=LONGEST_ID)
        node = node_in(workspace=workspace, node_id=node_id, types=[NodeType.AGENT])
        return Response(shown_agent(adopt_agent(node=node, elevenlabs_agent_id=agent_id)))


class DriftView(APIView):
    """GET /agents/{node_id}/drift."""

    def get(self, request: Request, node_id: str) -> Response:
        """What changed at ElevenLabs since the node's agent was adopted."""
        workspace = choose_workspace(
            user=caller(request), workspace_id=request.query_params.get("workspace_id"), node_id=node_id
        )
        drift = drift_of(agent=agent_of(node=node_in(workspace=workspace, node_id=node_id)))
        return Response(
            {
                "workspace_id": workspace.pk,
                "node_id": node_id,
                "elevenlabs_agent_id": drift.agent.elevenlabs_agent_id,
                "drifted": drift.missing or bool(drift.changes),
                "missing": drift.missing,
                "changes": [{"path": c.path, "adopted": c.adopted, "now": c.now} for c in drift.changes],
                "refreshed_at": drift.agent.refreshed_at,
                "checked_at": drift.checked_at,
            }
        )
