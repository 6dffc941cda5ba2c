"""Agents, described."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers

from agents.api.agents import AdoptView, DriftView, ElevenLabsAgentsView
from agents.api.checkup import AgentTestView
from aispinner.core.api.openapi import (
    AGENT_NODE_PATH,
    AGENTS,
    NO_NODE,
    NO_WORKSPACE,
    NOT_EDITOR,
    WORKSPACE_QUERY,
    answered,
    describe,
    refusals,
    sent,
)
from integrations.api.schema import NO_CREDITS, UNREACHABLE, KeyFailure

AGENT = {
    "workspace_id": 1,
    "node_id": "agent_node_abc",
    "elevenlabs_agent_id": "agent_xyz",
    "name": "Clinic assistant",
    "voice_id": "21m00Tcm4TlvDq8ikWAM",
    "prompt": "You remind patients of their appointments.",
    "first_message": "Hello!",
    "language": "en",
    "model": "gemini-2.0-flash",
    "temperature": 0.3,
    "max_tokens": 300,
    "tools": [],
    "voice_settings": {"stability": 0.5, "speed": 1.0},
    "platform_tools": {"end_call": {"name": "end_call"}},
    "safety_rules": {},
    "raw_config": {"name": "Clinic assistant"},
    "adopted_at": "2026-05-04T09:30:00Z",
    "refreshed_at": "2026-05-04T09:30:00Z",
}
LISTED_AGENT = {
    "elevenlabs_agent_id": "agent_xyz",
    "name": "Clinic assistant",
    "tags": ["clinic"],
    "archived": False,
    "created_at": "2026-04-01T08:00:00Z",
    "last_call_at": "2026-05-04T10:23:45Z",
    "account_id": 2,
    "key_id": 3,
    "adopted_by": ["agent_node_abc"],
}


class ListedAgent(serializers.Serializer[Any]):
    """An agent at ElevenLabs."""

    elevenlabs_agent_id = serializers.CharField()
    name = serializers.CharField()
    tags = serializers.ListField(child=serializers.CharField())
    archived = serializers.BooleanField()
    created_at = serializers.DateTimeField(allow_null=True)
    last_call_at = serializers.DateTimeField(allow_null=True)
    account_id = serializers.IntegerField()
    key_id = serializers.IntegerField(help_text="The key that showed it.")
    adopted_by = serializers.ListField(child=serializers.CharField(), help_text="The nodes that hold it.")


class ListedAgents(serializers.Serializer[Any]):
    """The agents of all keys."""

    agents = ListedAgent(many=True)
    total = serializers.IntegerField()
    errors = KeyFailure(  # type: ignore[assignment]  # a field, not the serializer\'s own
        many=True, help_text="Keys that could not be asked; the agents of the others are there."
    )


class AgentToAdopt(serializers.Serializer[Any]):
    """Which agent goes into which node."""

    elevenlabs_agent_id = serializers.CharField(max_length=100)
    node_id = serializers.CharField(max_length=100, help_text="An `ai.agent` node.")
    workspace_id = serializers.IntegerField(required=False)


class Agent(serializers.Serializer[Any]):
    """An adopted agent: a copy of its configuration at ElevenLabs."""

    workspace_id = serializers.IntegerField()
    node_id = serializers.CharField()
    elevenlabs_agent_id = serializers.CharField()
    name = serializers.CharField()
    voice_id = serializers.CharField()
    prompt = serializers.CharField()
    first_message = serializers.CharField()
    language = serializers.CharField()
    model = serializers.CharField()
    temperature = serializers.FloatField(allow_null=True)
    max_tokens = serializers.IntegerField(allow_null=True)
    tools = serializers.ListField(child=serializers.JSONField())
    voice_settings = serializers.DictField()
    platform_tools = serializers.DictField()
    safety_rules = serializers.DictField()
    raw_config = serializers.DictField(help_text="Everything, with secrets replaced by marks.")
    adopted_at = serializers.DateTimeField()
    refreshed_at = serializers.DateTimeField()


class Change(serializers.Serializer[Any]):
    """One difference."""

    path = serializers.CharField(help_text="Names and places joined by dots.")
    adopted = serializers.JSONField(help_text="What was adopted; null where there was nothing.")
    now = serializers.JSONField(help_text="What ElevenLabs has now; null where there is nothing.")


class Drift(serializers.Serializer[Any]):
    """What changed at ElevenLabs since the agent was adopted."""

    workspace_id = serializers.IntegerField()
    node_id = serializers.CharField()
    elevenlabs_agent_id = serializers.CharField()
    drifted = serializers.BooleanField()
    missing = serializers.BooleanField(help_text="It is not there any more.")
    changes = Change(many=True)
    refreshed_at = serializers.DateTimeField()
    checked_at = serializers.DateTimeField()


@extend_schema_field(
    {"type": "object", "maxProperties": 100, "additionalProperties": {"type": ["string", "number", "boolean"]}}
)
class Variables(serializers.JSONField):
    """Names and plain values."""


class AgentToTest(serializers.Serializer[Any]):
    """Which agent."""

    elevenlabs_agent_id = serializers.CharField(max_length=100)
    variables = Variables(required=False, help_text="What a recipient would bring.")
    workspace_id = serializers.IntegerField(required=False)


class Check(serializers.Serializer[Any]):
    """One thing that was tried."""

    name = serializers.CharField()
    ok = serializers.BooleanField(allow_null=True, help_text="null: not tried, because something before it failed.")
    detail = serializers.CharField()
    duration_ms = serializers.IntegerField()


class CheckUp(serializers.Serializer[Any]):
    """What was tried, in order."""

    ok = serializers.BooleanField(help_text="Everything was well.")
    elevenlabs_agent_id = serializers.CharField()
    workspace_id = serializers.IntegerField()
    checks = Check(many=True)
    first_words = serializers.CharField(help_text="What the agent said first.")


describe(
    ElevenLabsAgentsView,
    get=extend_schema(
        operation_id="list_agents",
        tags=[AGENTS],
        summary="List ElevenLabs Agents",
        description="The agents of all the workspace's ElevenLabs accounts, and which nodes have adopted them.",
        parameters=[WORKSPACE_QUERY],
        responses={
            200: ListedAgents,
            **refusals({404: NO_WORKSPACE, 429: NO_CREDITS, 502: "No key's account could be asked."}),
        },
        examples=[answered({"agents": [LISTED_AGENT], "total": 1, "errors": []})],
    ),
)
describe(
    AdoptView,
    post=extend_schema(
        operation_id="adopt_agent",
        tags=[AGENTS],
        summary="Adopt an Existing ElevenLabs Agent",
        description=(
            "Pulls the agent's full configuration (name, voice, prompt, tools, model, voice settings, temperature, "
            "max_tokens, platform tools, safety rules, raw config) into a local record without creating a new agent on "
            "ElevenLabs side. Nothing is ever written there. Again is a refresh."
        ),
        parameters=[WORKSPACE_QUERY],
        request=AgentToAdopt,
        responses={200: Agent, **refusals({403: NOT_EDITOR, 404: NO_NODE, 429: NO_CREDITS, 502: UNREACHABLE})},
        examples=[sent({"elevenlabs_agent_id": "agent_xyz", "node_id": "agent_node_abc"}), answered(AGENT)],
    ),
)
describe(
    DriftView,
    get=extend_schema(
        operation_id="get_drift",
        tags=[AGENTS],
        summary="Get an Agent's Drift",
        description="What changed at ElevenLabs since the node's agent was adopted. `POST /agents/adopt` refreshes it.",
        parameters=[AGENT_NODE_PATH, WORKSPACE_QUERY],
        responses={
            200: Drift,
            **refusals({404: "There is no such node, or no agent was adopted into it.", 429: NO_CREDITS}),
            **refusals({502: UNREACHABLE}),
        },
        examples=[
            answered(
                {
                    "workspace_id": 1,
                    "node_id": "agent_node_abc",
                    "elevenlabs_agent_id": "agent_xyz",
                    "drifted": True,
                    "missing": False,
                    "changes": [
                        {"path": "conversation_config.agent.language", "adopted": "en", "now": "es"},
                    ],
                    "refreshed_at": "2026-05-04T09:30:00Z",
                    "checked_at": "2026-05-05T08:00:00Z",
                }
            )
        ],
    ),
)
describe(
    AgentTestView,
    post=extend_schema(
        operation_id="test_agent",
        tags=[AGENTS],
        summary="Test Agent",
        description=(
            "Talks to the agent as far as its first words: configuration readable, voice and model set, required "
            "variables known, conversation socket opens, first words arrive; each check with its time. Takes up to 25 "
            "seconds with an agent that says nothing."
        ),
        parameters=[WORKSPACE_QUERY],
        request=AgentToTest,
        responses={200: CheckUp, **refusals({403: NOT_EDITOR, 404: NO_WORKSPACE, 429: NO_CREDITS, 502: UNREACHABLE})},
        examples=[
            sent({"elevenlabs_agent_id": "agent_xyz"}),
            answered(
                {
                    "ok": True,
                    "elevenlabs_agent_id": "agent_xyz",
                    "workspace_id": 1,
                    "checks": [
                        {
                            "name": "config_readable",
                            "ok": True,
                            "detail": "ElevenLabs shows it to us.",
                            "duration_ms": 84,
                        },
                        {"name": "first_words", "ok": True, "detail": "The agent spoke.", "duration_ms": 640},
                    ],
                    "first_words": "Hello!",
                }
            ),
        ],
    ),
)
