"""What the simulator answers to good and bad requests, and what it shows of recordings."""

from __future__ import annotations

import time
from typing import Any

import pytest

from integrations.elevenlabs.simulator.audio import mp3
from integrations.elevenlabs.simulator.config import SimulatorConfig, config_from_env
from integrations.elevenlabs.simulator.stories import Script, decide, tell
from tests.simulator.helpers import AGENT, Caller, Json, mp3_info, numbers

SUBMIT = "/v1/convai/batch-calling/submit"


def test_a_bad_body_is_told_before_a_bad_key(sim: Caller) -> None:
    answer = sim.http.post(SUBMIT, json={"agent_id": 3}, headers={"xi-api-key": "sk_invalid_key"})
    assert answer.status_code == 422
    problems = {tuple(item["loc"]): item["type"] for item in answer.json()["detail"]}
    assert problems == {
        ("body", "call_name"): "missing",
        ("body", "agent_id"): "string_type",
        ("body", "recipients"): "missing",
    }


@pytest.mark.parametrize("headers", [{"xi-api-key": "sk_invalid_1"}, {"xi-api-key": "nonsense"}])
def test_a_wrong_key_is_refused_as_recorded(sim: Caller, headers: dict[str, str]) -> None:
    answer = sim.http.get("/v1/user", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["detail"] == {
        "type": "authentication_error",
        "code": "unauthorized",
        "message": "Invalid API key",
        "status": "invalid_api_key",
        "request_id": answer.headers["x-trace-id"],
    }


def test_a_missing_key_is_told_as_recorded_and_a_bearer_token_is_understood(sim: Caller) -> None:
    del sim.http.headers["xi-api-key"]
    answer = sim.http.get("/v1/user")
    assert answer.status_code == 401
    assert answer.json()["detail"]["status"] == "needs_authorization"
    assert sim.http.get("/v1/user", headers={"Authorization": "Bearer sk_test"}).status_code == 200


@pytest.mark.parametrize(
    ("path", "code", "status"),
    [
        ("/v1/convai/agents/nope", "agent_not_found", "agent_not_found"),
        ("/v1/convai/conversations/nope", "conversation_not_found", "conversation_history_not_found"),
        ("/v1/convai/phone-numbers/nope", "phone_number_not_found", "phone_number_not_found"),
        ("/v1/convai/batch-calling/nope", "batch_call_not_found", "batch_call_not_found"),
    ],
)
def test_what_is_not_there_is_404_with_its_code(sim: Caller, path: str, code: str, status: str) -> None:
    answer = sim.http.get(path)
    assert answer.status_code == 404
    detail = answer.json()["detail"]
    assert (detail["type"], detail["code"], detail["status"]) == ("not_found", code, status)


def test_an_unknown_route_is_a_plain_404(sim: Caller) -> None:
    answer = sim.http.get("/v1/nothing/here")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"agent_id": "nope"}, 404),
        ({"agent_phone_number_id": "nope"}, 404),
        ({"agent_phone_number_id": None}, 400),
        ({"recipients": []}, 400),
        ({"recipients": [{"id": "r0"}]}, 400),
        ({"recipients": [{"phone_number": "+15550100123"}] * 10_001}, 422),
        ({"target_concurrency_limit": 0}, 422),
        ({"telephony_call_config": {"ringing_timeout_secs": 1000}}, 422),
    ],
)
def test_a_bad_submit_starts_nothing(sim: Caller, change: Json, status: int) -> None:
    body = {**sim.submission(numbers(1)), **change}
    assert sim.http.post(SUBMIT, json=body).status_code == status
    assert sim.get("/v1/convai/batch-calling/workspace")["batch_calls"] == []


def test_a_body_that_is_no_json_is_a_422(sim: Caller) -> None:
    answer = sim.http.post(SUBMIT, content=b'{"call_name": ')
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["type"] == "json_invalid"


@pytest.mark.parametrize(
    "query", [{"page_size": 0}, {"page_size": 101}, {"page_size": "x"}, {"exclude_statuses": "in_progress"}]
)
def test_a_bad_query_is_a_422(sim: Caller, query: dict[str, Any]) -> None:
    assert sim.http.get("/v1/convai/conversations", params=query).status_code == 422


def test_a_cursor_that_is_not_ours_is_a_400(sim: Caller) -> None:
    answer = sim.http.get("/v1/convai/agents", params={"cursor": "rubbish"})
    assert (answer.status_code, answer.json()["detail"]["code"]) == (400, "invalid_cursor")


def test_batches_are_paged_by_last_doc(sim: Caller) -> None:
    sent = [sim.submit(numbers(1, start=index)) for index in range(5)]
    seen: list[str] = []
    last_doc = None
    while True:
        params = {"limit": 2} | ({"last_doc": last_doc} if last_doc else {})
        page = sim.get("/v1/convai/batch-calling/workspace", **params)
        seen += [batch["id"] for batch in page["batch_calls"]]
        last_doc = page["next_doc"]
        if not page["has_more"]:
            break
    assert seen == sent[::-1]
    assert last_doc is None
    assert sim.get("/v1/convai/batch-calling/workspace", agent_id="other")["batch_calls"] == []


@pytest.mark.parametrize("direction", ["desc", "asc"])
def test_conversations_are_paged_in_order_without_gaps(sim: Caller, direction: str) -> None:
    batch = sim.finished(sim.submit(numbers(25), target_concurrency_limit=25))
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params: dict[str, Any] = {"page_size": 10, "sort_direction": direction}
        page = sim.get("/v1/convai/conversations", **params, **({"cursor": cursor} if cursor else {}))
        seen += [item["conversation_id"] for item in page["conversations"]]
        cursor = page["next_cursor"]
        if not page["has_more"]:
            break
    assert sorted(seen) == sorted(one["conversation_id"] for one in batch["recipients"])
    placed = [entry["conversation_id"] for entry in sim.ledger()]
    assert seen == (placed if direction == "asc" else placed[::-1])


def test_conversations_are_filtered(sim: Caller) -> None:
    answered, busy = numbers(2)
    sim.script(**{answered: {"outcome": "answered", "result": "success"}, busy: {"outcome": "busy"}})
    for one in sim.finished(sim.submit([answered, busy]))["recipients"]:
        sim.settled(one["conversation_id"])

    def found(**query: Any) -> list[str]:
        items = sim.get("/v1/convai/conversations", **query)["conversations"]
        return sorted(sim.conversation(item["conversation_id"])["user_id"] for item in items)

    now = int(time.time())
    assert found() == ["u0", "u1"]
    assert found(user_id="u1") == ["u1"]
    assert found(user_id="nobody") == []
    assert found(exclude_statuses=["failed", "initiated"]) == ["u0"]
    assert found(call_successful="success") == ["u0"]
    assert found(agent_id=AGENT, call_start_after_unix=now - 60) == ["u0", "u1"]
    assert found(call_start_before_unix=now - 60) == []
    assert found(agent_id="agent_7101k5zvyjhmfg983brhmhkd98n6") == []
    assert found(call_duration_min_secs=1) == ["u0"]


def test_a_summary_is_shown_only_where_asked_for(sim: Caller) -> None:
    number = numbers(1)[0]
    sim.script(**{number: {"outcome": "answered"}})
    sim.settled(sim.call(number)["conversation_id"])
    shown = [
        sim.get("/v1/convai/conversations", summary_mode=mode)["conversations"][0]["transcript_summary"]
        for mode in ("exclude", "include")
    ]
    assert shown[0] is None
    assert shown[1]


def test_a_recording_is_a_playable_mp3_of_the_calls_length(sim: Caller) -> None:
    number = numbers(1)[0]
    sim.script(**{number: {"outcome": "answered", "talk_secs": 47}})
    conversation_id = sim.call(number)["conversation_id"]
    sim.settled(conversation_id)
    path = f"/v1/convai/conversations/{conversation_id}/audio"
    answer = sim.http.get(path)
    assert answer.headers["content-type"] == "audio/mpeg"
    info = mp3_info(answer.content)
    assert (info.sample_rate, info.channels) == (16_000, 1)
    assert abs(info.length - 47) < 1
    assert sim.http.get(path).content == answer.content


def test_there_is_no_recording_before_the_end_nor_of_a_failed_call(sim: Caller) -> None:
    busy, stuck = numbers(2)
    sim.script(**{busy: {"outcome": "busy"}, stuck: {"outcome": "stuck"}})
    for number in (busy, stuck):
        path = f"/v1/convai/conversations/{sim.call(number)['conversation_id']}/audio"
        assert sim.http.get(path).status_code == 404


def test_a_minute_of_audio_is_made_quickly_and_long_calls_are_cut_at_two_minutes() -> None:
    story = decide(seed=1, number="+15550100123", script=Script(outcome="answered", talk_secs=300))
    told = tell(story, first_message="Hello", variables={}, talk_secs=300, tools=set())
    mp3(told.turns, 1)
    started = time.perf_counter()
    recording = mp3(told.turns, 300)
    assert time.perf_counter() - started < 2
    assert abs(mp3_info(recording).length - 120) < 1


def test_a_deleted_conversation_is_gone(sim: Caller) -> None:
    placed = sim.call(numbers(1)[0], conversation_initiation_client_data={"user_id": "me"})
    path = f"/v1/convai/conversations/{placed['conversation_id']}"
    assert sim.http.delete(path).status_code == 200
    assert sim.http.get(path).status_code == 404
    assert sim.get("/v1/convai/conversations", user_id="me")["conversations"] == []


def test_a_deleted_batch_keeps_its_conversations(sim: Caller) -> None:
    batch_id = sim.submit(numbers(2))
    one = sim.finished(batch_id)["recipients"][0]
    assert sim.http.delete(f"/v1/convai/batch-calling/{batch_id}").status_code == 204
    assert sim.http.get(f"/v1/convai/batch-calling/{batch_id}").status_code == 404
    assert sim.conversation(one["conversation_id"])["conversation_id"] == one["conversation_id"]


def test_secrets_of_a_number_never_come_back(sim: Caller) -> None:
    credentials = {"username": "trunk-user", "password": "very-secret"}
    sip = {
        "provider": "sip_trunk",
        "phone_number": "+15550100113",
        "label": "SIP",
        "outbound_trunk_config": {"address": "sip.example.com", "credentials": credentials},
    }
    twilio = {
        "provider": "twilio",
        "phone_number": "+15550100114",
        "label": "T",
        "sid": "ACsecretsid",
        "token": "very-secret",
    }
    number_id = sim.post("/v1/convai/phone-numbers", sip)["phone_number_id"]
    sim.post("/v1/convai/phone-numbers", twilio)
    shown = sim.http.get("/v1/convai/phone-numbers").text
    assert "very-secret" not in shown
    assert "ACsecretsid" not in shown
    trunk = sim.get(f"/v1/convai/phone-numbers/{number_id}")["outbound_trunk"]
    assert (trunk["has_auth_credentials"], trunk["username"]) == (True, "trunk-user")


def test_the_index_names_everything_that_can_be_ordered(sim: Caller) -> None:
    index = sim.get("/_sim/")
    assert index["endpoints"]["batch_calling.submit"] == f"POST {SUBMIT}"
    assert {"system_busy", "webhook_dropped", "out_of_credits"} <= set(index["faults"])


def test_the_environment_sets_it_up_and_nonsense_is_refused() -> None:
    config = config_from_env({"AISPINNER_SIM_SPEED": "600", "AISPINNER_SIM_SEED": "4"})
    assert (config.speed, config.seed, config.concurrency) == (600.0, 4, 200)
    with pytest.raises(ValueError, match="speed"):
        SimulatorConfig(speed=0)
    with pytest.raises(ValueError, match="fast"):
        config_from_env({"AISPINNER_SIM_SPEED": "fast"})
