"""Campaigns over an own Asterisk, started through the API: which PBX, which agent, and what is missing."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from aispinner.core.models import Node, NodeType, Workspace
from telephony.models import Run, TelephonySettings
from tests.factories import make_agent, make_key, make_node

pytestmark = pytest.mark.django_db
PROVIDER = {
    "id": "ari_main", "kind": "ari", "url": "http://pbx.test:8088", "username": "aispinner",
    "password": "a secret word", "endpoint": "PJSIP/{number}@trunk", "max_concurrent": 7,
}  # fmt: skip


@pytest.fixture
def node(workspace: Workspace) -> Node:
    agent = make_agent(node=make_node(workspace=workspace, type=NodeType.AGENT))
    return make_node(workspace=workspace, config={"voice_stack": "custom_voice"}, connected_to=[agent.node])


def configure(workspace: Workspace, *providers: Any, default: str | None = "ari_main") -> None:
    stored = {"providers": list(providers), **({"default_provider_id": default} if default else {})}
    TelephonySettings.objects.create(workspace=workspace, settings_json=stored)


def start(client: APIClient, node: Node) -> Any:
    return client.post("/telephony/dialer/start", {"node_id": node.node_id, "numbers": ["+15551234567"]}, format="json")


def test_it_dials_through_the_default_provider_whose_lines_are_the_pbxs(
    as_editor: APIClient, workspace: Workspace, node: Node
) -> None:
    make_key(workspace=workspace)
    configure(workspace, PROVIDER)
    assert start(as_editor, node).status_code == 200
    run = Run.objects.get()
    assert (run.voice_stack, run.provider_id, run.phone_provider) == ("custom_voice", "ari_main", None)
    assert (run.account.external_id, run.account.concurrency_limit) == ("aispinner@http://pbx.test:8088", 7)
    assert run.api_key is not None


def test_a_node_may_name_another_provider(as_editor: APIClient, workspace: Workspace, node: Node) -> None:
    make_key(workspace=workspace)
    configure(workspace, PROVIDER, {**PROVIDER, "id": "second"})
    node.config["provider_id"] = "second"
    node.save()
    assert start(as_editor, node).status_code == 200
    assert Run.objects.get().provider_id == "second"


@pytest.mark.parametrize(
    ("providers", "default", "says"),
    [
        ([], None, "none is set"),
        ([], "ari_main", "is missing in the telephony settings"),
        ([{**PROVIDER, "password": ""}], "ari_main", "lacks one of"),
        ([{"id": "ari_main", "kind": "ari", "url": "http://pbx.test"}], "ari_main", "lacks one of"),
    ],
)
def test_what_is_missing_is_said_and_nothing_starts(
    as_editor: APIClient, workspace: Workspace, node: Node, providers: list[Any], default: str | None, says: str
) -> None:
    make_key(workspace=workspace)
    configure(workspace, *providers, default=default)
    response = start(as_editor, node)
    assert response.status_code == 422
    assert says in response.json()["detail"]
    assert not Run.objects.exists()


def test_without_a_key_for_its_agent_nobody_could_talk(as_editor: APIClient, workspace: Workspace, node: Node) -> None:
    configure(workspace, PROVIDER)
    response = start(as_editor, node)
    assert response.status_code == 422
    assert "ElevenLabs key" in response.json()["detail"]
