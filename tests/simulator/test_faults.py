"""Faults fire as ordered, as often as ordered, and are counted."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from tests.simulator.helpers import AGENT, Caller, Json, eventually, numbers

SUBMIT = "/v1/convai/batch-calling/submit"

ANSWERS = {
    "rate_limit_exceeded": (429, "rate_limit_error", "rate_limit_exceeded", "rate_limit_exceeded"),
    "concurrent_limit_exceeded": (
        429,
        "rate_limit_error",
        "concurrent_limit_exceeded",
        "too_many_concurrent_requests",
    ),
    "too_many_concurrent_requests": (429, None, None, "too_many_concurrent_requests"),
    "system_busy": (429, "rate_limit_error", "system_busy", "system_busy"),
    "insufficient_credits": (402, "payment_required", "insufficient_credits", "insufficient_credits"),
    "quota_exceeded": (401, None, None, "quota_exceeded"),
    "key_refused": (401, "authentication_error", "unauthorized", "invalid_api_key"),
    "missing_permissions": (401, "authentication_error", "unauthorized", "missing_permissions"),
    "internal_error": (500, "internal_error", "internal_error", "internal_error"),
    "service_unavailable": (503, "service_unavailable", "service_unavailable", "service_unavailable"),
}


def send(sim: Caller, **more: Any) -> httpx.Response:
    return sim.http.post(SUBMIT, json=sim.submission(numbers(2)), **more)


def batches(sim: Caller) -> list[Json]:
    return list(sim.get("/v1/convai/batch-calling/workspace")["batch_calls"])


@pytest.mark.parametrize("fault", list(ANSWERS))
def test_a_refusal_has_the_recorded_words_and_accepts_nothing(sim: Caller, fault: str) -> None:
    sim.faults({"fault": fault, "endpoint": "batch_calling.submit"})
    refused = send(sim)
    detail = refused.json()["detail"]
    assert (refused.status_code, detail.get("type"), detail.get("code"), detail["status"]) == ANSWERS[fault]
    assert "retry-after" not in refused.headers
    assert detail.get("request_id") in (None, refused.headers["x-trace-id"])
    assert batches(sim) == []
    assert sim.fired() == [1]


def test_retry_after_is_sent_where_ordered(sim: Caller) -> None:
    sim.faults({"fault": "system_busy", "endpoint": "batch_calling.*", "retry_after": 7})
    assert send(sim).headers["retry-after"] == "7"


def test_a_fault_fires_as_often_as_ordered_after_letting_some_by(sim: Caller) -> None:
    sim.faults({"fault": "system_busy", "endpoint": f"POST {SUBMIT}", "skip": 1, "times": 2})
    assert [send(sim).status_code for _ in range(5)] == [200, 429, 429, 200, 200]
    assert sim.get("/_sim/faults")["rules"][0]["seen"] == 5
    sim.http.delete("/_sim/faults")
    assert sim.get("/_sim/faults")["rules"] == []


def test_probable_faults_are_the_same_for_the_same_seed(sim: Caller) -> None:
    def draw() -> list[int]:
        sim.faults({"fault": "internal_error", "endpoint": "user.get", "probability": 0.5})
        return [sim.http.get("/v1/user").status_code for _ in range(30)]

    first = draw()
    assert set(first) == {200, 500}
    sim.reset()
    assert draw() == first
    sim.reset(seed=9)
    assert draw() != first


def test_a_500_after_accepting_has_accepted(sim: Caller) -> None:
    sim.faults({"fault": "internal_error", "endpoint": "batch_calling.submit", "when": "after"})
    assert send(sim).status_code == 500
    assert len(batches(sim)) == 1


@pytest.mark.parametrize(("when", "accepted"), [("before", 0), ("after", 1)])
def test_a_held_answer_times_out_before_or_after_accepting(sim: Caller, when: str, accepted: int) -> None:
    sim.faults({"fault": "hold", "endpoint": "batch_calling.submit", "when": when, "seconds": 0.4})
    asked = time.monotonic()
    with pytest.raises(httpx.TimeoutException):
        send(sim, timeout=0.1)
    eventually(lambda: len(batches(sim)) == accepted)
    eventually(lambda: time.monotonic() > asked + 0.6)
    assert len(batches(sim)) == accepted


def test_a_slow_request_is_accepted_although_nobody_waits_any_more(sim: Caller) -> None:
    sim.faults({"fault": "slow", "endpoint": "batch_calling.submit", "seconds": 0.6})
    with pytest.raises(httpx.TimeoutException):
        send(sim, timeout=0.1)
    assert batches(sim) == []
    eventually(lambda: len(batches(sim)) == 1)


def test_a_connection_breaks_in_the_middle_of_the_answer(sim: Caller) -> None:
    sim.faults({"fault": "cut_off", "endpoint": "batch_calling.submit", "when": "after"})
    with pytest.raises(httpx.RemoteProtocolError):
        send(sim)
    assert len(batches(sim)) == 1


@pytest.mark.parametrize(("fault", "code"), [("out_of_credits", 3000), ("daily_limit", 4300)])
def test_calls_refused_for_the_accounts_limits_are_accepted_then_failed_and_never_dialled(
    sim: Caller, fault: str, code: int
) -> None:
    sim.faults({"fault": fault, "times": 2})
    batch = sim.finished(sim.submit(numbers(5)))
    found = [sim.settled(one["conversation_id"]) for one in batch["recipients"]]
    codes = [item["metadata"]["error"] and item["metadata"]["error"]["code"] for item in found]
    assert codes.count(code) == 2
    assert len(sim.ledger()) == 3


def test_an_agents_daily_limit_holds(sim: Caller) -> None:
    limits = {"call_limits": {"daily_limit": 3}}
    sim.http.patch(f"/v1/convai/agents/{AGENT}", json={"platform_settings": limits})
    batch = sim.finished(sim.submit(numbers(5)))
    errors = [sim.settled(one["conversation_id"])["metadata"]["error"] for one in batch["recipients"]]
    reason = "Agent has exceeded its daily call limit of 3."
    assert sum(1 for error in errors if error and error["reason"] == reason) == 2
    assert len(sim.ledger()) == 3


def test_credits_may_run_out_in_the_middle_of_a_call(sim: Caller) -> None:
    number = numbers(1)[0]
    sim.script(**{number: {"outcome": "answered", "talk_secs": 60}})
    sim.faults({"fault": "credits_mid_call"})
    found = sim.settled(sim.call(number)["conversation_id"])
    assert found["status"] == "failed"
    assert found["metadata"]["error"]["code"] == 1002
    assert found["metadata"]["call_duration_secs"] == 30
    assert found["transcript"]


def test_an_outbound_call_may_be_answered_without_success(sim: Caller) -> None:
    sim.faults({"fault": "call_refused", "endpoint": "sip_trunk.outbound_call"})
    refused = sim.call(numbers(1)[0])
    assert (refused["success"], refused["conversation_id"], refused["sip_call_id"]) == (False, None, None)
    assert sim.ledger() == []


def test_a_fault_may_be_for_one_account_or_key_only(sim: Caller) -> None:
    sim.faults({"fault": "key_refused", "key_prefix": "sk_acct_acme_old"}, {"fault": "system_busy", "account": "beta"})
    statuses = []
    for key in ("sk_acct_acme_old1", "sk_acct_acme_new1", "sk_acct_beta_1", "sk_test"):
        statuses.append(sim.http.get("/v1/user", headers={"xi-api-key": key}).status_code)
    assert statuses == [401, 200, 429, 200]


@pytest.mark.parametrize(
    "rule", [{"fault": "nonsense"}, {"fault": "slow", "when": "later"}, {"fault": "slow", "secs": 1}, "slow"]
)
def test_an_order_that_makes_no_sense_is_refused(sim: Caller, rule: Any) -> None:
    assert sim.http.post("/_sim/faults", json=[rule]).status_code == 400
