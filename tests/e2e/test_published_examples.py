"""The published requests, as printed, against the demo data."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stack import Stack, follow

pytestmark = pytest.mark.e2e

JOURNAL_CALL = {
    "id", "call_id", "status", "subscriber_phone", "duration_sec", "summary", "transcript", "created_at",
    "conversation_id", "has_audio", "parent_call_id",
}  # fmt: skip
JOURNAL_CAMPAIGN = {
    "call_id", "name", "status", "numbers_count", "child_count", "success_count", "failed_count", "total_duration_sec",
}  # fmt: skip
PHONE_PROVIDER = {
    "provider": "twilio",
    "twilio_sid": "ACxxxxxxxx",
    "twilio_token": "<your token>",
    "twilio_phone": "+15551234567",
    "agent_node_id": "agent_abc",
}


@pytest.fixture(scope="module")
def campaign(stack: Stack) -> str:
    """The published start, run to its end."""
    body = {
        "workspace_id": 1,
        "node_id": "pbx_abc123",
        "numbers": ["+15551234567", "+15557654321"],
        "agent_node_id": "agent_xyz",
        "max_concurrent": 5,
    }
    answer = stack.post("/telephony/dialer/start", body)
    assert answer["status"] == "running"
    assert answer["call_id"].startswith("camp_")
    list(follow(stack, answer["call_id"], until={"completed"}))
    return str(answer["call_id"])


def test_runs_and_rename(stack: Stack, campaign: str) -> None:
    answer = stack.request("PATCH", f"/telephony/runs/{campaign}/name", json={"name": "Q2 outbound — VIP list"})
    assert answer.status_code == 200
    runs = stack.get("/telephony/runs", workspace_id=1, node_id="pbx_abc123", limit=100)["runs"]
    assert "Q2 outbound — VIP list" in {run["name"] for run in runs}


@pytest.mark.parametrize(
    "path",
    [
        "/telephony/journal?workspace_id=1&limit=200",
        "/telephony/journal/pbx_abc123?workspace_id=1&limit=200",
        "/telephony/journal/phone_abc?workspace_id=1&limit=200",
        "/telephony/journal/agent_xyz?workspace_id=1&since_id=0&limit=1000",
    ],
)
def test_journals_have_the_published_shape(stack: Stack, campaign: str, path: str) -> None:
    journal = stack.get(path)
    assert {"total", "total_duration_sec", "max_id", "calls", "campaigns"} <= journal.keys()
    mine = [call for call in journal["calls"] if call["parent_call_id"] == campaign]
    assert len(mine) == 2
    assert all(call.keys() >= JOURNAL_CALL for call in mine)
    assert all(each.keys() >= JOURNAL_CAMPAIGN for each in journal["campaigns"])
    assert stack.get(f"/telephony/journal/call/{mine[0]['call_id']}")["call_id"] == mine[0]["call_id"]


def test_keys(stack: Stack) -> None:
    answer = stack.request("POST", "/integrations/elevenlabs/keys", json={"title": "My ElevenLabs", "key": "sk_..."})
    assert answer.status_code == 200
    assert "sk_" not in answer.text
    key = answer.json()
    assert key["id"] in {each["id"] for each in stack.get("/integrations/elevenlabs/keys")["keys"]}
    assert stack.request("DELETE", f"/integrations/elevenlabs/keys/{key['id']}").status_code == 204


def test_phone_provider(stack: Stack) -> None:
    path = "/workspaces/1/nodes/phone_abc/phone-provider"
    put = stack.request("PUT", path, json=PHONE_PROVIDER)
    assert put.status_code == 200
    assert "<your token>" not in put.text
    shown = stack.get(path)
    assert (shown["provider"], shown["twilio_phone"], shown["agent_node_id"]) == ("twilio", "+15551234567", "agent_abc")


def test_adopt_settings_and_lists(stack: Stack) -> None:
    adopted = stack.post("/agents/adopt", {"elevenlabs_agent_id": "agent_xyz", "node_id": "agent_node_abc"})
    assert adopted["elevenlabs_agent_id"] == "agent_xyz"
    put = stack.request("PUT", "/telephony/settings", json={"settings_json": {"default_provider_id": "ari_main"}})
    assert put.status_code == 200
    assert stack.get("/telephony/settings")["settings_json"]["default_provider_id"] == "ari_main"
    assert "agent_xyz" in {agent["elevenlabs_agent_id"] for agent in stack.get("/agents/elevenlabs/list")["agents"]}
    assert stack.get("/integrations/sip/phone-numbers")["phone_numbers"]


@pytest.mark.parametrize(
    ("status", "change"),
    [
        (422, {"numbers": ["+15551234567", "not a number"]}),
        (404, {"workspace_id": 999}),
        (404, {"node_id": "pbx_nowhere"}),
        (422, {"agent_node_id": "agent_nowhere"}),
        (422, {"agent_node_id": "agent_abc", "max_concurrent": 0}),
        (422, {"numbers": []}),
    ],
)
def test_what_cannot_be_started_is_refused_with_a_sentence_and_starts_nothing(
    stack: Stack, status: int, change: dict[str, Any]
) -> None:
    before = stack.get("/telephony/runs", workspace_id=1)["total"]
    body = {"workspace_id": 1, "node_id": "pbx_abc123", "numbers": ["+15551234567"], **change}
    answer = stack.request("POST", "/telephony/dialer/start", json=body)
    assert answer.status_code == status
    assert answer.json()["detail"].endswith(".")
    assert stack.get("/telephony/runs", workspace_id=1)["total"] == before


def test_malformed_json_and_a_wrong_token_are_refused(stack: Stack) -> None:
    malformed = stack.request(
        "POST", "/telephony/dialer/start", data="{nope", headers={"Content-Type": "application/json"}
    )
    assert malformed.status_code == 400
    stranger = stack.request("GET", "/telephony/runs", headers={"Authorization": "Bearer nobody"})
    assert stranger.status_code == 401
    assert stranger.headers["WWW-Authenticate"].startswith("Bearer")
