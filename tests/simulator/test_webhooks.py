"""Webhooks are signed, told once (or as faults have it), and never hold up a call."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections import Counter

import pytest

from tests.simulator.helpers import Caller, Heard, Json, Listener, eventually, mp3_info, numbers

ANSWERED, BUSY, NO_ANSWER, FAILED, VOICEMAIL = numbers(5, start=300)
SCRIPT = {
    ANSWERED: {"outcome": "answered"},
    BUSY: {"outcome": "busy"},
    NO_ANSWER: {"outcome": "no_answer"},
    FAILED: {"outcome": "failed"},
    VOICEMAIL: {"outcome": "voicemail"},
}


def payloads(listener: Listener, kind: str) -> list[Json]:
    found = [json.loads(heard.body) for heard in list(listener.heard)]
    return [payload for payload in found if payload["type"] == kind]


def is_signed(heard: Heard, secret: str) -> bool:
    signed_at, given = heard.headers["elevenlabs-signature"].split(",")
    assert abs(int(signed_at.removeprefix("t=")) - time.time()) < 10
    message = signed_at.removeprefix("t=").encode() + b"." + heard.body
    return hmac.compare_digest(given, "v0=" + hmac.new(secret.encode(), message, hashlib.sha256).hexdigest())


def test_every_ended_call_is_told_once_signed_and_in_full(sim: Caller, listener: Listener) -> None:
    secret = sim.attach_webhook(listener.url)
    sim.script(**SCRIPT)
    batch = sim.finished(sim.submit(list(SCRIPT)))
    eventually(lambda: len(listener.heard) == 5)
    assert all(is_signed(heard, secret) for heard in listener.heard)
    assert not any(is_signed(heard, "wrong") for heard in listener.heard)
    told = payloads(listener, "post_call_transcription")
    assert {payload["data"]["metadata"]["phone_call"]["call_result"] for payload in told} == {"answered", "voicemail"}
    for payload in told:
        assert payload["data"] == sim.conversation(payload["data"]["conversation_id"])
    failures = {
        payload["data"]["conversation_id"]: payload["data"] for payload in payloads(listener, "call_initiation_failure")
    }
    reasons = {
        one["phone_number"]: failures.get(one["conversation_id"], {}).get("failure_reason")
        for one in batch["recipients"]
    }
    assert reasons == {ANSWERED: None, BUSY: "busy", NO_ANSWER: "no-answer", FAILED: "unknown", VOICEMAIL: None}
    bodies = [failure["metadata"] for failure in failures.values()]
    assert {body["type"] for body in bodies} == {"sip"}
    assert {body["body"]["sip_status_code"] for body in bodies} >= {486, 480}


def test_a_twilio_number_fails_in_twilios_words(sim: Caller, listener: Listener) -> None:
    sim.attach_webhook(listener.url)
    sim.script(**SCRIPT)
    create = {"provider": "twilio", "phone_number": "+15550100112", "label": "T", "sid": "AC1", "token": "t"}
    number_id = sim.post("/v1/convai/phone-numbers", create)["phone_number_id"]
    ids = {"agent_id": "agent_xyz", "agent_phone_number_id": number_id}
    placed = sim.post("/v1/convai/twilio/outbound-call", {**ids, "to_number": BUSY})
    refused = sim.post("/v1/convai/twilio/outbound-call", {**ids, "to_number": FAILED})
    assert (refused["success"], refused["conversation_id"], refused["callSid"]) == (False, None, None)
    eventually(lambda: len(listener.heard) == 2)
    told = {
        item["data"]["metadata"]["body"]["To"]: item["data"] for item in payloads(listener, "call_initiation_failure")
    }
    assert told[BUSY]["metadata"]["body"]["CallSid"] == placed["callSid"]
    assert told[BUSY]["metadata"]["body"]["CallStatus"] == "busy"
    assert sim.conversation(told[FAILED]["conversation_id"])["status"] == "failed"


def test_only_the_events_asked_for_are_told(sim: Caller, listener: Listener) -> None:
    sim.attach_webhook(listener.url, events=["call_initiation_failure"])
    sim.script(**SCRIPT)
    sim.finished(sim.submit(list(SCRIPT)))
    eventually(lambda: sim.get("/_sim/state")["accounts"]["default"]["conversations"] == {"done": 2, "failed": 3})
    eventually(lambda: len(listener.heard) == 3)
    assert payloads(listener, "post_call_transcription") == []


def test_audio_is_sent_where_asked_for(sim: Caller, listener: Listener) -> None:
    sim.attach_webhook(listener.url, send_audio=True)
    sim.script(**SCRIPT)
    conversation_id = sim.call(ANSWERED)["conversation_id"]
    eventually(lambda: payloads(listener, "post_call_audio"))
    heard = next(item for item in listener.heard if b'"post_call_audio"' in item.body[:60])
    assert heard.headers["transfer-encoding"] == "chunked"
    data = json.loads(heard.body)["data"]
    assert set(data) == {"agent_id", "conversation_id", "full_audio"}
    assert data["conversation_id"] == conversation_id
    assert mp3_info(base64.b64decode(data["full_audio"])).length > 5


def test_webhooks_may_be_dropped_doubled_and_shuffled(sim: Caller, listener: Listener) -> None:
    sim.attach_webhook(listener.url)
    sim.script(**{"*": {"outcome": "busy"}})
    sim.faults(
        {"fault": "webhook_dropped", "probability": 0.3},
        {"fault": "webhook_doubled"},
        {"fault": "webhook_delayed", "seconds": 0.3},
    )
    sim.finished(sim.submit(numbers(30)))
    dropped, doubled, delayed = sim.fired()
    assert 0 < dropped < 30
    eventually(lambda: len(listener.heard) == 2 * (30 - dropped))
    times = Counter(heard.body for heard in listener.heard)
    assert set(times.values()) == {2}
    assert len(times) == 30 - dropped
    arrived = [json.loads(heard.body)["data"]["conversation_id"] for heard in listener.heard]
    ended = [entry["conversation_id"] for entry in sorted(sim.ledger(), key=lambda entry: entry["ended_at"])]
    assert list(dict.fromkeys(arrived)) != [one for one in ended if one in set(arrived)]
    assert (doubled, delayed) == (30, 30)


@pytest.mark.parametrize(("enabled", "attempts"), [(True, 3), (False, 1)])
def test_a_failed_webhook_is_sent_again_only_where_retries_are_on(
    sim: Caller, listener: Listener, enabled: bool, attempts: int
) -> None:
    secret = sim.attach_webhook(listener.url)
    hook = sim.get("/v1/workspace/webhooks")["webhooks"][0]
    change = {"is_disabled": False, "name": "ours", "retry_enabled": enabled}
    assert sim.http.patch(f"/v1/workspace/webhooks/{hook['webhook_id']}", json=change).status_code == 200
    listener.statuses = [503, 429]
    sim.script(**SCRIPT)
    sim.settled(sim.call(ANSWERED)["conversation_id"])
    eventually(lambda: len(listener.heard) == attempts)
    eventually(lambda: sim.get("/_sim/webhooks")["deliveries"][0]["state"] == ("delivered" if enabled else "failed"))
    assert len({heard.body for heard in listener.heard}) == 1
    assert all(is_signed(heard, secret) for heard in listener.heard)
    hook = sim.get("/v1/workspace/webhooks")["webhooks"][0]
    assert hook["most_recent_failure_error_code"] == (429 if enabled else 503)


def test_a_receiver_that_is_not_there_disturbs_no_call(sim: Caller) -> None:
    sim.attach_webhook("http://127.0.0.1:9/hook")
    sim.finished(sim.submit(numbers(30)))
    eventually(lambda: sim.get("/_sim/state")["webhooks"].get("failed", 0) >= 9)
    eventually(lambda: sim.get("/v1/workspace/webhooks")["webhooks"][0]["is_auto_disabled"])


def test_the_secret_is_shown_once_and_plain_http_is_for_loopback_only(sim: Caller) -> None:
    def create(url: str) -> int:
        body = {"settings": {"auth_type": "hmac", "name": "x", "webhook_url": url}}
        return sim.http.post("/v1/workspace/webhooks", json=body).status_code

    urls = ["https://example.com/a", "http://localhost:8000/a", "http://127.0.0.1/a", "http://example.com/a", "ftp://x"]
    assert [create(url) for url in urls] == [200, 200, 200, 400, 400]
    assert "secret" not in sim.http.get("/v1/workspace/webhooks").text


def test_a_workspace_has_one_webhook_and_it_must_exist(sim: Caller, listener: Listener) -> None:
    sim.attach_webhook(listener.url)
    unknown = {"webhooks": {"post_call_webhook_id": "nope"}}
    assert sim.http.patch("/v1/convai/settings", json=unknown).status_code == 404
    attached = sim.get("/v1/convai/settings")["webhooks"]["post_call_webhook_id"]
    listed = sim.get("/v1/workspace/webhooks", include_usages=True)["webhooks"][0]
    assert listed["webhook_id"] == attached
    assert listed["usage"] == [{"usage_type": "ConvAI Settings"}]
    sim.http.delete(f"/v1/workspace/webhooks/{attached}")
    assert sim.get("/v1/convai/settings")["webhooks"]["post_call_webhook_id"] is None
