"""Adopted agents in the admin: their configuration, to read. They are changed at ElevenLabs and adopted again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from agents.models import Agent
from aispinner.core.admin_base import ConsoleAdmin
from aispinner.core.admin_html import json_block, masked, muted, two_lines, when


@admin.register(Agent)
class AgentAdmin(ConsoleAdmin[Agent]):
    """Read-only: a copy of what is at ElevenLabs."""

    audit_kind = "agent"
    list_display = ("named", "model", "voice", "tools_count", "workspace", "refreshed")
    list_select_related = ("workspace", "node")
    search_fields = ("name", "elevenlabs_agent_id", "node__node_id")
    search_help_text = "Search by name, agent id or node"
    actions = None
    empty_icon = "support_agent"
    empty_title = "No agent yet"
    empty_text = "Make one at ElevenLabs, then adopt it into an agent node: POST /integrations/elevenlabs/agents/adopt."

    @admin.display(description="agent")
    def named(self, agent: Agent) -> SafeString:
        return two_lines(agent.name, f"{agent.elevenlabs_agent_id} · {agent.node}")

    @admin.display(description="voice")
    def voice(self, agent: Agent) -> object:
        return agent.voice_id or muted("—")

    @admin.display(description="tools")
    def tools_count(self, agent: Agent) -> int:
        return len(agent.tools) if isinstance(agent.tools, list) else 0

    @admin.display(description="adopted")
    def refreshed(self, agent: Agent) -> SafeString:
        return when(agent.refreshed_at)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        agent = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if agent is not None:
            context |= {"agent": agent, "facts": _facts(agent), "tools": _tools(agent), "configs": _configs(agent)}
        return super().change_view(request, object_id, form_url, context)


def _facts(agent: Agent) -> list[tuple[str, object]]:
    return [
        ("Agent id", agent.elevenlabs_agent_id),
        ("Workspace", agent.workspace),
        ("Node", agent.node),
        ("Account", agent.account or "—"),
        ("Language", agent.language or "—"),
        ("Language model", agent.model or "—"),
        ("Temperature", "—" if agent.temperature is None else agent.temperature),
        ("Most tokens", "—" if agent.max_tokens is None else agent.max_tokens),
        ("Voice", agent.voice_id or "—"),
        *_voice_facts(agent.voice_settings),
        ("First adopted", when(agent.adopted_at)),
        ("Refreshed", when(agent.refreshed_at)),
    ]


def _voice_facts(settings: object) -> list[tuple[str, object]]:
    if not isinstance(settings, Mapping):
        return []
    shown = masked(settings)
    plain = {
        name: value
        for name, value in shown.items()
        if isinstance(value, str | int | float) and value != "" and name != "voice_id"
    }
    return [(f"Voice: {name.replace('_', ' ')}", value) for name, value in plain.items()]


def _tools(agent: Agent) -> list[tuple[str, str]]:
    """Name and description of each tool."""
    tools = agent.tools if isinstance(agent.tools, list) else []
    found = [masked(tool) for tool in tools]
    return [
        (str(tool.get("name") or tool.get("id") or "tool"), str(tool.get("description") or tool.get("type") or ""))
        if isinstance(tool, Mapping)
        else (str(tool), "")
        for tool in found
    ]


def _configs(agent: Agent) -> list[SafeString]:
    """The rest, folded away."""
    rest = {
        "Platform tools": agent.platform_tools,
        "Safety rules": agent.safety_rules,
        "Tools in full": agent.tools,
        "Raw configuration": agent.raw_config,
    }
    return [json_block(value, summary=name) for name, value in rest.items() if value]
