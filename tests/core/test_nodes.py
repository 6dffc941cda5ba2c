"""Nodes over HTTP: the client's own ids, its configuration as it came, and connections that lead somewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from aispinner.core.models import Node, NodeType, Workspace
from tests.factories import make_agent, make_node, make_phone_provider, make_run
from tests.journal.rows import make_call


@pytest.fixture
def client(client_for: Callable[[User], APIClient], editor: User) -> APIClient:
    return client_for(editor)


@pytest.fixture
def nodes(workspace: Workspace) -> str:
    return f"/workspaces/{workspace.pk}/nodes"


def test_a_canvas_is_set_up_and_read_back(client: APIClient, nodes: str, workspace: Workspace) -> None:
    for node_id, kind in (("agent_xyz", "ai.agent"), ("phone_abc", "ai.phone_number")):
        assert client.post(nodes, {"node_id": node_id, "type": kind}).status_code == 201
    pbx = {
        "node_id": "pbx_abc123",
        "type": "ai.pbx",
        "title": "Sales",
        "config": {"voice_stack": "elevenlabs", "x": 10.5, "deep": [{"a": None}]},
        "connections": [{"to": "agent_xyz"}, {"to": "phone_abc"}],
    }
    made = client.post(nodes, pbx)
    assert made.status_code == 201
    assert {name: made.json()[name] for name in pbx} == pbx
    assert made.json()["workspace_id"] == workspace.pk
    assert client.get(f"{nodes}/pbx_abc123").json() == made.json()
    listed = client.get(nodes).json()
    assert (listed["total"], listed["nodes"][2]) == (3, made.json())
    assert listed["nodes"][0]["connections"] == []


def test_nodes_are_listed_by_type(client: APIClient, nodes: str, workspace: Workspace) -> None:
    for kind in NodeType:
        make_node(workspace=workspace, type=kind, node_id=kind.value)
    for types, found in (("ai.agent", 1), ("ai.agent,ai.journal", 2), ("", 5)):
        answer = client.get(nodes, {"type": types}).json()
        assert len(answer["nodes"]) == answer["total"] == found
    response = client.get(nodes, {"type": "ai.fax"})
    assert (response.status_code, list(response.json()["errors"])) == (422, ["type"])


def test_a_list_costs_the_same_however_long_it_is(client: APIClient, nodes: str, workspace: Workspace) -> None:
    made = [make_node(workspace=workspace) for _ in range(10)]
    for node in made:
        node.connections.set(made[:3])
    with CaptureQueriesContext(connection) as queries:
        client.get(nodes)
    assert len(queries) == 4  # the token, the membership, the nodes, their connections


@pytest.mark.parametrize("node_id", ["a", "n" * 100, "café №5", "with space", "a?b#c%d", "+15550100123"])
def test_the_id_is_the_clients_own(client: APIClient, nodes: str, node_id: str) -> None:
    assert client.post(nodes, {"node_id": node_id, "type": "ai.pbx"}).json()["node_id"] == node_id
    from urllib.parse import quote

    assert client.get(f"{nodes}/{quote(node_id, safe='')}").json()["node_id"] == node_id


@pytest.mark.parametrize("node_id", ["", "n" * 101, "a/b", " a", "a\n", "a\u200bb", ".", "..", 5, None, ["a"], True])
def test_an_id_that_could_not_stand_in_an_address_is_refused(client: APIClient, nodes: str, node_id: Any) -> None:
    response = client.post(nodes, {"node_id": node_id, "type": "ai.pbx"})
    assert response.status_code == 422
    assert list(response.json()["errors"]) == ["node_id"]


def test_an_id_is_there_once_in_a_workspace(
    client: APIClient, nodes: str, workspace: Workspace, other_workspace: Workspace
) -> None:
    make_node(workspace=other_workspace, node_id="pbx")
    assert client.post(nodes, {"node_id": "pbx", "type": "ai.pbx"}).status_code == 201
    response = client.post(nodes, {"node_id": "pbx", "type": "ai.agent"})
    assert response.status_code == 409
    assert Node.objects.get(workspace=workspace).type == NodeType.PBX


@pytest.mark.parametrize(
    ("field", "value", "blamed"),
    [
        ("type", "ai.fax", "type"),
        ("type", None, "type"),
        ("title", 5, "title"),
        ("title", "t" * 201, "title"),
        ("config", [], "config"),
        ("config", None, "config"),
        ("config", {"a": "x" * 65536}, "config"),
        ("config", {"voice_stack": "carrier pigeon"}, "config.voice_stack"),
        ("config", {"voice_stack": ["elevenlabs"]}, "config.voice_stack"),
        ("connections", {}, "connections"),
        ("connections", ["pbx"], "connections.0"),
        ("connections", [{}], "connections.0.to"),
        ("connections", [{"to": 5}], "connections.0.to"),
        ("connections", [{"to": "there", "via": "x"}], "connections.0.via"),
        ("connections", [{"to": "there"}, {"to": "theirs"}], "connections.1.to"),
        ("connections", [{"to": "new"}], "connections.0.to"),
        ("conections", [], "conections"),
    ],
)
def test_what_is_wrong_is_named(
    client: APIClient, nodes: str, workspace: Workspace, other_workspace: Workspace, field: str, value: Any, blamed: str
) -> None:
    make_node(workspace=workspace, node_id="there")
    make_node(workspace=other_workspace, node_id="theirs")
    response = client.post(nodes, {"node_id": "new", "type": "ai.pbx", field: value})
    assert response.status_code == 422
    errors = response.json()["errors"]
    assert [name for name in errors if name.startswith(blamed)], errors
    assert len(errors) == 1
    assert not Node.objects.filter(node_id="new").exists()


def test_an_unknown_connection_is_said_by_name_and_changes_nothing(
    client: APIClient, nodes: str, workspace: Workspace
) -> None:
    there = make_node(workspace=workspace, node_id="there")
    node = make_node(workspace=workspace, node_id="pbx", connected_to=[there], title="Before")
    response = client.patch(f"{nodes}/pbx", {"title": "After", "connections": [{"to": "nowhere"}]})
    assert response.status_code == 422
    assert "nowhere" in response.json()["detail"]
    node.refresh_from_db()
    assert (node.title, list(node.connections.all())) == ("Before", [there])


def test_patch_changes_what_is_sent_and_put_all_of_it(client: APIClient, nodes: str, workspace: Workspace) -> None:
    there = make_node(workspace=workspace, node_id="there")
    make_node(workspace=workspace, node_id="pbx", title="T", config={"a": 1, "b": 2}, connected_to=[there])
    patched = client.patch(f"{nodes}/pbx", {"config": {"a": 3}}).json()
    assert (patched["title"], patched["config"], patched["connections"]) == ("T", {"a": 3}, [{"to": "there"}])
    assert client.put(f"{nodes}/pbx", patched).json() == patched
    emptied = client.put(f"{nodes}/pbx", {}).json()
    assert (emptied["title"], emptied["config"], emptied["connections"]) == ("", {}, [])
    assert (emptied["node_id"], emptied["type"]) == ("pbx", "ai.pbx")


@pytest.mark.parametrize("method", ["put", "patch"])
def test_a_node_keeps_its_id_and_its_type(client: APIClient, nodes: str, workspace: Workspace, method: str) -> None:
    make_node(workspace=workspace, node_id="pbx")
    change = getattr(client, method)
    assert change(f"{nodes}/pbx", {"node_id": "other"}).status_code == 422
    assert change(f"{nodes}/pbx", {"type": "ai.agent"}).status_code == 409
    assert change(f"{nodes}/nowhere", {"title": "x"}).status_code == 404
    assert Node.objects.get().type == NodeType.PBX


def test_a_connection_named_twice_is_one(client: APIClient, nodes: str, workspace: Workspace) -> None:
    make_node(workspace=workspace, node_id="there")
    body = {"node_id": "pbx", "type": "ai.pbx", "connections": [{"to": "there"}, {"to": "there"}]}
    assert client.post(nodes, body).json()["connections"] == [{"to": "there"}]


def test_a_deleted_node_takes_what_it_holds_along(client: APIClient, nodes: str, workspace: Workspace) -> None:
    agent = make_agent(node=make_node(workspace=workspace, type=NodeType.AGENT, node_id="agent"))
    phone = make_node(workspace=workspace, type=NodeType.PHONE_NUMBER, node_id="phone", connected_to=[agent.node])
    make_phone_provider(node=phone, agent_node=agent.node)
    assert client.delete(f"{nodes}/agent").status_code == 204
    assert client.get(f"{nodes}/phone").json()["connections"] == []
    assert client.delete(f"{nodes}/phone").status_code == 204
    assert client.delete(f"{nodes}/phone").status_code == 404


@pytest.mark.parametrize("what", ["the campaign's node", "the agent's node", "the call's node"])
def test_a_node_that_records_name_stays(client: APIClient, nodes: str, workspace: Workspace, what: str) -> None:
    run = make_run(workspace=workspace)
    node = {"the campaign's node": run.node, "the agent's node": run.agent.node}.get(what)
    if node is None:
        node = make_node(workspace=workspace, type=NodeType.PHONE_NUMBER)
        make_call(workspace=workspace, phone=node)
    with CaptureQueriesContext(connection) as queries:
        response = client.delete(f"{nodes}/{node.node_id}")
    assert response.status_code == 409
    assert "connections" in response.json()["detail"]
    assert Node.objects.filter(pk=node.pk).exists()
    assert not [query for query in queries if '"transcript"' in query["sql"]]  # no records are loaded to say so
