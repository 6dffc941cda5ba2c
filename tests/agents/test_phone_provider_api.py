"""The phone provider of a node: set as published, secrets never shown, answered by its agent, imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from aispinner.core.models import Node, NodeType, Workspace
from integrations.elevenlabs.client import ElevenLabsClient
from integrations.models import ElevenLabsKey, PhoneProvider
from tests.factories import make_agent, make_key, make_node, make_phone_provider, make_run
from tests.integrations.conftest import Sim
from tests.integrations.wire import closed_port

Clients = Callable[[User], APIClient]
TWILIO = {
    "provider": "twilio",
    "twilio_sid": "ACxxxxxxxx",
    "twilio_token": "<your token>",
    "twilio_phone": "+15551234567",
    "agent_node_id": "agent_abc",
}
SIP = {
    "provider": "sip",
    "sip_server": "sip.example.org",
    "sip_user": "trunk",
    "sip_password": "s3cret",
    "sip_port": 5070,
    "sip_phone": "+1 555-010-0199",
}


@pytest.fixture
def node(workspace: Workspace) -> Node:
    make_node(workspace=workspace, type=NodeType.AGENT, node_id="agent_abc")
    return make_node(workspace=workspace, type=NodeType.PHONE_NUMBER, node_id="phone_abc")


@pytest.fixture
def agent_node(node: Node) -> Node:
    return Node.objects.get(workspace=node.workspace, node_id="agent_abc")


@pytest.fixture
def put(editor: User, node: Node, client_for: Clients) -> Callable[[Any], Any]:
    """PUT to the node as an editor."""
    client = client_for(editor)
    return lambda body: client.put(address(node), body, format="json")


def address(node: Node) -> str:
    return f"/workspaces/{node.workspace_id}/nodes/{node.node_id}/phone-provider"


def test_a_twilio_provider_is_set_as_published_and_shown_without_its_secrets(
    put: Callable[[Any], Any], viewer: User, node: Node, client_for: Clients
) -> None:
    response = put(TWILIO)
    assert response.status_code == 200
    shown = client_for(viewer).get(address(node)).json()
    assert {name: shown[name] for name in ("provider", "twilio_phone", "agent_node_id", "node_id")} == {
        "provider": "twilio",
        "twilio_phone": "+15551234567",
        "agent_node_id": "agent_abc",
        "node_id": "phone_abc",
    }
    assert (shown["has_twilio_sid"], shown["has_twilio_token"], shown["registered"]) == (True, True, False)
    for text in (str(shown), response.content.decode()):
        assert "ACxxxxxxxx" not in text
        assert "<your token>" not in text
    with connection.cursor() as cursor:
        cursor.execute("SELECT twilio_sid, twilio_token FROM integrations_phoneprovider")
        assert all(b"xxxx" not in bytes(each) and b"your" not in bytes(each) for each in cursor.fetchone())


def test_a_sip_provider_is_set_with_its_number_in_e164(put: Callable[[Any], Any], node: Node) -> None:
    shown = put(SIP).json()
    assert (shown["sip_server"], shown["sip_port"], shown["sip_user"]) == ("sip.example.org", 5070, "trunk")
    assert (shown["sip_phone"], shown["has_sip_password"], shown["warnings"]) == ("+15550100199", True, [])
    assert "s3cret" not in str(shown)


def test_the_published_sip_fields_alone_are_taken_with_a_warning(put: Callable[[Any], Any]) -> None:
    response = put({name: value for name, value in SIP.items() if name != "sip_phone"})
    assert response.status_code == 200
    assert "sip_phone" in response.json()["warnings"][0]


def test_what_is_left_out_stays_as_it_is(put: Callable[[Any], Any], node: Node) -> None:
    put(TWILIO)
    shown = put({"provider": "twilio", "twilio_phone": "+15550100111", "twilio_token": ""}).json()
    assert (shown["twilio_phone"], shown["agent_node_id"], shown["has_twilio_token"]) == (
        "+15550100111",
        "agent_abc",
        True,
    )
    assert put({"agent_node_id": None}).json()["agent_node_id"] is None
    assert PhoneProvider.objects.get(node=node).twilio_token == "<your token>"


def test_what_was_read_can_be_sent_back(
    put: Callable[[Any], Any], viewer: User, node: Node, client_for: Clients
) -> None:
    put(TWILIO)
    before = client_for(viewer).get(address(node)).json()
    assert put(before).status_code == 200
    after = client_for(viewer).get(address(node)).json()
    assert {**after, "updated_at": None} == {**before, "updated_at": None}


def test_another_carrier_takes_nothing_of_the_first_along(put: Callable[[Any], Any], node: Node) -> None:
    put(TWILIO)
    assert put(SIP).status_code == 200
    row = PhoneProvider.objects.get(node=node)
    assert (row.provider, row.twilio_sid, row.twilio_token, row.twilio_phone) == ("sip", "", "", "")
    assert row.phone == "+15550100199"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"provider": "vonage"}, "provider"),
        ({"provider": None}, "provider"),
        ({"provider": ["twilio"]}, "provider"),
        ({"sip_server": "sip.example.org"}, "sip_server"),
        ({"twilio_fone": "+15550100111"}, "twilio_fone"),
        ({"twilio_phone": "555"}, "twilio_phone"),
        ({"twilio_phone": None}, "twilio_phone"),
        ({"twilio_phone": 15551234567}, "twilio_phone"),
        ({"twilio_sid": "XX1"}, "twilio_sid"),
        ({"twilio_sid": None}, "twilio_sid"),
        ({"twilio_token": "x" * 501}, "twilio_token"),
        ({"twilio_token": "a\u0007b"}, "twilio_token"),
        ({"agent_node_id": "phone_abc"}, "agent_node_id"),
        ({"agent_node_id": "nowhere"}, "agent_node_id"),
        ({"agent_node_id": 7}, "agent_node_id"),
    ],
)
def test_a_wrong_twilio_provider_is_refused_by_field(
    put: Callable[[Any], Any], change: dict[str, Any], field: str
) -> None:
    response = put({**TWILIO, **change})
    assert response.status_code == 422
    assert field in response.json()["errors"]
    assert not PhoneProvider.objects.exists()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"sip_server": "sip:me@example.org"}, "sip_server"),
        ({"sip_server": ""}, "sip_server"),
        ({"sip_port": 0}, "sip_port"),
        ({"sip_port": "5060"}, "sip_port"),
        ({"sip_port": True}, "sip_port"),
        ({"sip_phone": "+1555"}, "sip_phone"),
        ({"twilio_sid": "ACxxxxxxxx"}, "twilio_sid"),
    ],
)
def test_a_wrong_sip_provider_is_refused_by_field(
    put: Callable[[Any], Any], change: dict[str, Any], field: str
) -> None:
    response = put({**SIP, **change})
    assert response.status_code == 422
    assert field in response.json()["errors"]


def test_only_phone_number_nodes_have_one(editor: User, workspace: Workspace, node: Node, client_for: Clients) -> None:
    pbx = make_node(workspace=workspace)
    assert client_for(editor).put(address(pbx), TWILIO, format="json").status_code == 422
    assert client_for(editor).get(address(node)).status_code == 404
    assert client_for(editor).put(address(node), "twilio", format="json").status_code == 422


def test_viewers_read_editors_change_strangers_see_nothing(
    viewer: User, stranger: User, node: Node, client_for: Clients
) -> None:
    make_phone_provider(node=node)
    assert client_for(viewer).get(address(node)).status_code == 200
    for method in ("put", "delete"):
        assert getattr(client_for(viewer), method)(address(node), {}, format="json").status_code == 403
        assert getattr(client_for(stranger), method)(address(node), {}, format="json").status_code == 404
    assert client_for(stranger).get(address(node)).status_code == 404
    assert client_for(stranger).post(address(node) + "/import", {}, format="json").status_code == 404
    assert client_for(viewer).post(address(node) + "/import", {}, format="json").status_code == 403
    assert APIClient().get(address(node)).status_code == 401


def test_a_provider_is_deleted(editor: User, node: Node, client_for: Clients) -> None:
    make_phone_provider(node=node)
    assert client_for(editor).delete(address(node)).status_code == 204
    assert client_for(editor).get(address(node)).status_code == 404
    assert client_for(editor).delete(address(node)).status_code == 404


def test_a_provider_of_a_running_campaign_is_not_deleted(
    editor: User, workspace: Workspace, node: Node, client_for: Clients
) -> None:
    make_run(workspace=workspace, phone_provider=make_phone_provider(node=node))
    assert client_for(editor).delete(address(node)).status_code == 409
    assert PhoneProvider.objects.filter(node=node).exists()


def test_the_agent_of_the_node_answers_the_number(sim: Sim, put: Callable[[Any], Any], agent_node: Node) -> None:
    key = make_key(workspace=agent_node.workspace, key="sk_test_0001")
    make_agent(node=agent_node, account=key.account, elevenlabs_agent_id="agent_xyz")
    shown = put(TWILIO).json()
    assert shown["inbound"]["answers"]
    assert shown["registered"]
    number = ElevenLabsClient(api_key=key.key).get_phone_number(shown["phone_number_id"])
    assert (number.phone_number, number.agent_id) == ("+15551234567", "agent_xyz")


@pytest.mark.parametrize("lacking", ["agent_node", "agent", "key", "elevenlabs"])
def test_it_is_saved_all_the_same_when_nobody_can_answer_yet(
    sim: Sim, put: Callable[[Any], Any], agent_node: Node, settings: Settings, lacking: str
) -> None:
    if lacking not in {"agent"}:
        make_agent(node=agent_node, elevenlabs_agent_id="agent_xyz")
    if lacking not in {"key"}:
        make_key(workspace=agent_node.workspace)
    body = {**TWILIO, "agent_node_id": None} if lacking == "agent_node" else TWILIO
    with closed_port() as url:
        if lacking == "elevenlabs":
            settings.ELEVENLABS_BASE_URL = url
        response = put(body)
    assert response.status_code == 200
    assert not response.json()["inbound"]["answers"]
    assert response.json()["inbound"]["detail"]
    assert PhoneProvider.objects.count() == 1


def test_new_credentials_of_a_registered_number_keep_it_and_warn(
    sim: Sim, put: Callable[[Any], Any], node: Node
) -> None:
    key = make_key(workspace=node.workspace)
    make_phone_provider(node=node, phone="+15550100111", registered=key.account, registered_id="phnum_1")
    shown = put({"twilio_token": "a new token"}).json()
    assert (shown["phone_number_id"], len(shown["warnings"])) == ("phnum_1", 1)
    shown = put({"twilio_phone": "+15550100112"}).json()
    assert (shown["phone_number_id"], shown["registered"], shown["warnings"]) == (None, False, [])


@pytest.fixture
def account(sim: Sim, workspace: Workspace) -> ElevenLabsKey:
    """An ElevenLabs account without numbers."""
    key = make_key(workspace=workspace, key="sk_test_0001")
    for number in ElevenLabsClient(api_key=key.key).list_phone_numbers():
        import requests

        requests.delete(
            f"{sim.url}/v1/convai/phone-numbers/{number.id}", headers={"xi-api-key": key.key}, timeout=5
        ).raise_for_status()
    return key


def trunk(key: ElevenLabsKey, number: str, *, agent: str | None = None) -> str:
    client = ElevenLabsClient(api_key=key.key)
    number_id = client.create_sip_number(
        phone_number=number, label="Trunk", address="sip.example.org:5070", username="me", password="s3cret"
    )
    if agent:
        client.assign_agent(number_id, agent)
    return number_id


@pytest.fixture
def take_over(editor: User, node: Node, client_for: Clients) -> Callable[[Any], Any]:
    """POST import as an editor."""
    client = client_for(editor)
    return lambda body: client.post(address(node) + "/import", body, format="json")


def test_the_only_number_is_imported_complete_without_secrets(
    account: ElevenLabsKey, take_over: Callable[[Any], Any], node: Node
) -> None:
    number_id = trunk(account, "+15550100199")
    shown = take_over({}).json()
    assert (shown["provider"], shown["sip_server"], shown["sip_port"], shown["sip_user"], shown["sip_phone"]) == (
        "sip",
        "sip.example.org",
        5070,
        "me",
        "+15550100199",
    )
    assert (shown["imported"], shown["registered"], shown["phone_number_id"]) == (True, True, number_id)
    assert PhoneProvider.objects.get(node=node).registered_account == account.account


def test_an_import_needs_no_body_at_all_as_published(
    account: ElevenLabsKey, editor: User, node: Node, client_for: Clients
) -> None:
    trunk(account, "+15550100199")
    assert client_for(editor).generic("POST", address(node) + "/import", content_type="").status_code == 200


def test_of_several_the_one_assigned_to_the_nodes_agent_is_imported(
    account: ElevenLabsKey, take_over: Callable[[Any], Any], node: Node, agent_node: Node
) -> None:
    make_agent(node=agent_node, account=account.account, elevenlabs_agent_id="agent_xyz")
    node.connections.add(agent_node)
    trunk(account, "+15550100198")
    mine = trunk(account, "+15550100199", agent="agent_xyz")
    shown = take_over({}).json()
    assert (shown["phone_number_id"], shown["agent_node_id"]) == (mine, "agent_abc")


def test_several_that_fit_are_listed_and_one_can_be_named(
    account: ElevenLabsKey, take_over: Callable[[Any], Any], node: Node
) -> None:
    ids = [trunk(account, "+15550100198"), trunk(account, "+15550100199")]
    response = take_over({})
    assert response.status_code == 409
    assert all(number_id in response.json()["detail"] for number_id in ids)
    assert take_over({"phone_number_id": ids[1]}).json()["sip_phone"] == "+15550100199"
    assert take_over({"phone_number": "+1 555 010 0198"}).json()["phone_number_id"] == ids[0]


def test_an_imported_provider_keeps_working_when_only_its_agent_changes(
    account: ElevenLabsKey, take_over: Callable[[Any], Any], put: Callable[[Any], Any], agent_node: Node
) -> None:
    number_id = trunk(account, "+15550100199")
    take_over({})
    shown = put({"agent_node_id": "agent_abc"}).json()
    assert (shown["imported"], shown["phone_number_id"], shown["agent_node_id"]) == (True, number_id, "agent_abc")


@pytest.mark.parametrize(
    "body",
    [{}, {"phone_number_id": "phnum_nowhere"}, {"phone_number": "+15550100100"}, {"phone_number": "x"}, {"number": 1}],
)
def test_what_is_not_there_cannot_be_imported(
    account: ElevenLabsKey, take_over: Callable[[Any], Any], body: dict[str, Any]
) -> None:
    response = take_over(body)
    assert response.status_code == 422
    assert not PhoneProvider.objects.exists()


def test_without_a_key_nothing_can_be_imported(take_over: Callable[[Any], Any]) -> None:
    assert take_over({}).status_code == 422
