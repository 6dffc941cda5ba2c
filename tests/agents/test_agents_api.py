"""Agents over HTTP: listed, adopted, refreshed, compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
from django.contrib.auth.models import User
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from agents.models import Agent
from aispinner.core.models import Node, NodeType, Workspace
from integrations.models import ElevenLabsKey
from tests.factories import make_agent, make_key, make_node
from tests.integrations.conftest import Sim
from tests.integrations.wire import closed_port

Clients = Callable[[User], APIClient]
ADOPT = "/agents/adopt"
PUBLISHED = {"elevenlabs_agent_id": "agent_xyz", "node_id": "agent_node_abc"}


@pytest.fixture
def node(workspace: Workspace) -> Node:
    return make_node(workspace=workspace, type=NodeType.AGENT, node_id="agent_node_abc")


@pytest.fixture
def key(workspace: Workspace) -> ElevenLabsKey:
    return make_key(workspace=workspace, key="sk_test_0001")


def writes(sim: Sim, path: str, body: Any) -> None:
    """Change something at ElevenLabs, past our client."""
    requests.patch(sim.url + path, json=body, headers={"xi-api-key": "sk_test_0001"}, timeout=5).raise_for_status()


def test_an_agent_is_adopted_as_published(
    sim: Sim, editor: User, node: Node, key: ElevenLabsKey, client_for: Clients
) -> None:
    response = client_for(editor).post(ADOPT, PUBLISHED, format="json")
    assert response.status_code == 200
    shown = response.json()
    there = sim.get("/v1/convai/agents/agent_xyz")
    assert shown["name"] == there["name"]
    assert shown["prompt"] == there["conversation_config"]["agent"]["prompt"]["prompt"]
    assert shown["voice_id"] == there["conversation_config"]["tts"]["voice_id"]
    assert (shown["node_id"], shown["elevenlabs_agent_id"]) == ("agent_node_abc", "agent_xyz")
    for field in ("tools", "model", "voice_settings", "temperature", "max_tokens", "platform_tools", "raw_config"):
        assert shown[field] is not None
    agent = Agent.objects.get(node=node)
    assert (agent.account, agent.workspace) == (key.account, node.workspace)


def test_adopting_again_refreshes_and_writes_nothing_there(
    sim: Sim, editor: User, node: Node, key: ElevenLabsKey, client_for: Clients
) -> None:
    client = client_for(editor)
    first = client.post(ADOPT, PUBLISHED, format="json").json()
    writes(sim, "/v1/convai/agents/agent_xyz", {"name": "Ava the second"})
    before = sim.get("/v1/convai/agents/agent_xyz")
    again = client.post(ADOPT, PUBLISHED, format="json").json()
    assert (again["name"], again["adopted_at"]) == ("Ava the second", first["adopted_at"])
    assert again["refreshed_at"] > first["refreshed_at"]
    assert Agent.objects.count() == 1
    assert sim.get("/v1/convai/agents/agent_xyz") == before


def test_the_account_that_has_the_agent_is_found(
    sim: Sim, editor: User, node: Node, key: ElevenLabsKey, client_for: Clients
) -> None:
    created = requests.post(
        sim.url + "/v1/convai/agents/create",
        json={"name": "Bo", "conversation_config": {}},
        headers={"xi-api-key": "sk_test_0001"},
        timeout=5,
    ).json()
    make_key(workspace=node.workspace, key="sk_acct_other_1")
    make_key(workspace=node.workspace, key="sk_invalid_1")
    body = {"elevenlabs_agent_id": created["agent_id"], "node_id": node.node_id}
    assert client_for(editor).post(ADOPT, body, format="json").status_code == 200
    assert Agent.objects.get(node=node).account == key.account


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({**PUBLISHED, "elevenlabs_agent_id": "agent_nowhere"}, 422),
        ({**PUBLISHED, "elevenlabs_agent_id": ""}, 422),
        ({**PUBLISHED, "elevenlabs_agent_id": 7}, 422),
        ({**PUBLISHED, "elevenlabs_agent_id": "x" * 101}, 422),
        ({**PUBLISHED, "node_id": "pbx_1"}, 422),
        ({**PUBLISHED, "node_id": "nowhere"}, 404),
        ({**PUBLISHED, "node_id": 7}, 422),
        ({"elevenlabs_agent_id": "agent_xyz"}, 422),
        ({**PUBLISHED, "workspace_id": 999999}, 404),
        ([], 422),
    ],
)
def test_what_cannot_be_adopted_is_refused_and_nothing_is_written(
    sim: Sim, editor: User, node: Node, key: ElevenLabsKey, client_for: Clients, body: Any, status: int
) -> None:
    make_node(workspace=node.workspace, node_id="pbx_1")
    response = client_for(editor).post(ADOPT, body, format="json")
    assert response.status_code == status
    assert response.json()["detail"]
    assert not Agent.objects.exists()


def test_without_a_key_nothing_can_be_adopted(editor: User, node: Node, client_for: Clients) -> None:
    response = client_for(editor).post(ADOPT, PUBLISHED, format="json")
    assert response.status_code == 422
    assert "/integrations/elevenlabs/keys" in response.json()["detail"]


def test_while_elevenlabs_is_away_it_is_502(
    settings: Settings, editor: User, node: Node, key: ElevenLabsKey, client_for: Clients
) -> None:
    with closed_port() as url:
        settings.ELEVENLABS_BASE_URL = url
        assert client_for(editor).post(ADOPT, PUBLISHED, format="json").status_code == 502
        make_agent(node=node)
        assert client_for(editor).get("/agents/agent_node_abc/drift").status_code == 502
        assert client_for(editor).get("/agents/elevenlabs/list").status_code == 502


def test_viewers_and_strangers_adopt_nothing(
    viewer: User, stranger: User, node: Node, other_workspace: Workspace, client_for: Clients
) -> None:
    body = {**PUBLISHED, "workspace_id": node.workspace_id}
    assert client_for(viewer).post(ADOPT, body, format="json").status_code == 403
    assert client_for(stranger).post(ADOPT, body, format="json").status_code == 404
    assert client_for(stranger).post(ADOPT, PUBLISHED, format="json").status_code == 404
    assert client_for(stranger).get("/agents/agent_node_abc/drift").status_code == 404
    assert APIClient().post(ADOPT, PUBLISHED, format="json").status_code == 401


def test_the_agents_of_all_accounts_are_listed_with_the_nodes_that_hold_them(
    sim: Sim, viewer: User, node: Node, key: ElevenLabsKey, client_for: Clients
) -> None:
    make_agent(node=node, account=key.account, elevenlabs_agent_id="agent_xyz")
    bad = make_key(workspace=node.workspace, key="sk_invalid_1")
    body = client_for(viewer).get("/agents/elevenlabs/list").json()
    assert body["total"] == len(body["agents"])
    (found,) = [agent for agent in body["agents"] if agent["elevenlabs_agent_id"] == "agent_xyz"]
    assert found["adopted_by"] == ["agent_node_abc"]
    assert [failure["key_id"] for failure in body["errors"]] == [bad.pk]


def test_drift_says_what_changed_there_since(
    sim: Sim, editor: User, viewer: User, node: Node, key: ElevenLabsKey, client_for: Clients
) -> None:
    client_for(editor).post(ADOPT, PUBLISHED, format="json")
    drift = client_for(viewer).get("/agents/agent_node_abc/drift").json()
    assert (drift["drifted"], drift["missing"], drift["changes"]) == (False, False, [])
    writes(
        sim,
        "/v1/convai/agents/agent_xyz",
        {"conversation_config": {"agent": {"prompt": {"prompt": "You are Bo.", "temperature": 0.7}}}},
    )
    drift = client_for(viewer).get("/agents/agent_node_abc/drift").json()
    assert drift["drifted"]
    now = {change["path"]: change["now"] for change in drift["changes"]}
    assert now == {
        "conversation_config.agent.prompt.prompt": "You are Bo.",
        "conversation_config.agent.prompt.temperature": 0.7,
    }


def test_an_agent_that_is_gone_there_is_said_to_be_missing(
    sim: Sim, viewer: User, node: Node, key: ElevenLabsKey, client_for: Clients
) -> None:
    make_agent(node=node, account=key.account, elevenlabs_agent_id="agent_nowhere")
    drift = client_for(viewer).get("/agents/agent_node_abc/drift").json()
    assert (drift["drifted"], drift["missing"], drift["changes"]) == (True, True, [])


def test_a_node_without_an_agent_has_no_drift(viewer: User, node: Node, client_for: Clients) -> None:
    assert client_for(viewer).get("/agents/agent_node_abc/drift").status_code == 404
