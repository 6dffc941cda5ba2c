"""An agent tried out over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.api.agents import LONGEST_ID
from agents.checkup import check_agent
from aispinner.core.access import choose_workspace
from aispinner.core.auth import caller
from aispinner.core.errors import Invalid
from aispinner.core.models import Role
from integrations.api.reading import json_object, text_field

_MOST_VARIABLES = 100
_LONGEST_VALUE = 2000


class AgentTestView(APIView):
    """POST /integrations/elevenlabs/agents/test."""

    def post(self, request: Request) -> Response:
        """Talk to the agent as far as its first words; each check with its time in milliseconds."""
        data = json_object(request)
        named = data.get("workspace_id", request.query_params.get("workspace_id"))
        workspace = choose_workspace(user=caller(request), workspace_id=named, role=Role.EDITOR)
        agent_id = text_field(data, "elevenlabs_agent_id", longest=LONGEST_ID)
        up = check_agent(workspace=workspace, elevenlabs_agent_id=agent_id, variables=_variables(data))
        return Response(
            {
                "ok": up.ok,
                "elevenlabs_agent_id": up.elevenlabs_agent_id,
                "workspace_id": workspace.pk,
                "checks": [asdict(check) for check in up.checks],
                "first_words": up.first_words,
            }
        )


def _variables(data: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    """`variables` as a recipient brings them: names with texts, numbers or booleans."""
    given = data.get("variables")
    if given is None:
        return {}
    fits = isinstance(given, Mapping) and len(given) <= _MOST_VARIABLES
    if not fits or not all(_is_plain(name) and _is_plain(value) for name, value in given.items()):
        sentence = f"Takes an object of at most {_MOST_VARIABLES} texts, numbers and booleans."
        raise Invalid(f"variables: {sentence}", errors={"variables": [sentence]})
    return dict(given)


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= _LONGEST_VALUE
    return isinstance(value, bool | int | float)
