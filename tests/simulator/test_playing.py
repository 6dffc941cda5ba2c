"""Calls are really played: in order, within the limits, the same for the same seed."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import orjson

from integrations.elevenlabs.simulator import SimulatorConfig, running
from integrations.elevenlabs.simulator.stories import decide
from tests.simulator.helpers import AGENT, Caller, Json, eventually, numbers

ANSWERED, VOICEMAIL, NO_ANSWER, BUSY, FAILED = numbers(5, start=100)
SCRIPT = {
    ANSWERED: {"outcome": "answered", "talk_secs": 40},
    VOICEMAIL: {"outcome": "voicemail"},
    NO_ANSWER: {"outcome": "no_answer"},
    BUSY: {"outcome": "busy"},
    FAILED: {"outcome": "failed"},
}


def most_at_once(entries: list[Json]) -> int:
    """The most dials that the ledger shows up at the same time."""
    edges = [(entry["placed_at"], 1) for entry in entries] + [(entry["ended_at"], -1) for entry in entries]
    up = most = 0
    for _, step in sorted(edges):
        up += step
        most = max(most, up)
    return most


def test_every_number_of_a_batch_is_dialled_exactly_once_and_ends(sim: Caller) -> None:
    called = numbers(150)
    batch = sim.finished(sim.submit(called, target_concurrency_limit=100))
    assert sorted(entry["number"] for entry in sim.ledger()) == sorted(called)
    assert all(entry["ended_at"] and entry["outcome"] for entry in sim.ledger())
    assert batch["total_calls_dispatched"] == batch["total_calls_finished"] == batch["total_calls_scheduled"] == 150
    assert {one["id"] for one in batch["recipients"]} == {f"r{index}" for index in range(150)}
    assert Counter(entry["outcome"] for entry in sim.ledger()).keys() == {
        "answered",
        "voicemail",
        "no_answer",
        "busy",
        "failed",
    }


def test_calls_never_exceed_the_accounts_limit_over_all_batches(sim: Caller) -> None:
    sim.reset(concurrency=7)
    batches = [sim.submit(numbers(25, start=25 * index), target_concurrency_limit=25) for index in range(3)]
    for batch_id in batches:
        sim.finished(batch_id)
    state = sim.get("/_sim/state")
    assert state["max_in_flight"] == 7
    assert state["in_flight"] == 0
    assert most_at_once(sim.ledger()) <= 7


def test_a_batch_keeps_its_own_target_and_the_others_share_what_is_left(sim: Caller) -> None:
    small = sim.submit(numbers(12), target_concurrency_limit=2)
    large = sim.submit(numbers(40, start=50), target_concurrency_limit=30)
    sim.finished(small)
    sim.finished(large)
    by_batch = {key: [entry for entry in sim.ledger() if entry["batch_id"] == key] for key in (small, large)}
    assert most_at_once(by_batch[small]) <= 2
    assert 2 < most_at_once(by_batch[large]) <= 30


def test_a_batch_without_target_takes_half_of_the_account(sim: Caller) -> None:
    sim.reset(concurrency=10)
    sim.finished(sim.submit(numbers(40)))
    assert sim.get("/_sim/state")["max_in_flight"] == 5


def test_recipients_wait_as_pending_without_conversation_until_there_is_room(sim: Caller) -> None:
    sim.reset(concurrency=1)
    sim.script(**{"*": {"outcome": "stuck", "ring_secs": 0}})
    batch_id = sim.submit(numbers(3), target_concurrency_limit=3)
    eventually(lambda: sim.batch(batch_id)["recipients"][0]["status"] == "in_progress")
    batch = sim.batch(batch_id)
    assert [one["status"] for one in batch["recipients"]] == ["in_progress", "pending", "pending"]
    assert [one["conversation_id"] is None for one in batch["recipients"]] == [False, True, True]
    assert batch["status"] == "in_progress"


def test_the_same_seed_tells_the_same_story_whatever_the_order(sim: Caller) -> None:
    called = numbers(40)

    def stories(order: list[str]) -> dict[str, tuple[str, int, list[str], str | None]]:
        batch = sim.finished(sim.submit(order, target_concurrency_limit=40))
        told = {}
        for one in batch["recipients"]:
            found = sim.settled(one["conversation_id"])
            words = [turn["message"] for turn in found["transcript"]]
            words = [message.split("Person")[0] for message in words if "Person" not in message]
            error = found["metadata"]["error"]
            told[one["phone_number"]] = (
                found["metadata"]["phone_call"]["call_result"],
                found["metadata"]["call_duration_secs"],
                words,
                error and error["reason"],
            )
        return told

    first = stories(called)
    sim.reset()
    assert stories(called[::-1]) == first
    sim.reset(seed=2)
    assert stories(called) != first


def test_the_mix_of_outcomes_is_as_promised() -> None:
    stories = [decide(seed=1, number=number) for number in numbers(4000)]
    shares = {str(name): count / 4000 for name, count in Counter(story.outcome for story in stories).items()}
    promised = {"answered": 0.62, "no_answer": 0.14, "busy": 0.08, "voicemail": 0.08, "failed": 0.08}
    assert all(abs(shares[name] - share) < 0.02 for name, share in promised.items())
    assert all(3 <= story.ring_secs <= 25 for story in stories)
    talks = sorted(story.talk_secs for story in stories if story.outcome == "answered")
    assert talks[0] >= 20
    assert talks[int(len(talks) * 0.95)] <= 240


def test_each_outcome_leaves_its_own_marks(sim: Caller) -> None:
    sim.script(**SCRIPT)
    batch = sim.finished(sim.submit(list(SCRIPT)))
    status = {one["phone_number"]: one["status"] for one in batch["recipients"]}
    assert list(status.values()) == ["completed", "voicemail", "failed", "failed", "failed"]
    found = {one["phone_number"]: sim.settled(one["conversation_id"]) for one in batch["recipients"]}
    results = {number: item["metadata"]["phone_call"]["call_result"] for number, item in found.items()}
    assert list(results.values()) == ["answered", "voicemail", "no_answer", "busy", "failed"]
    for number in (ANSWERED, VOICEMAIL):
        assert found[number]["status"] == "done"
        assert found[number]["transcript"]
        assert found[number]["analysis"]["transcript_summary"]
        assert found[number]["has_audio"]
        assert found[number]["metadata"]["error"] is None
    assert found[ANSWERED]["metadata"]["call_duration_secs"] == 40
    for number in (NO_ANSWER, BUSY, FAILED):
        assert found[number]["status"] == "failed"
        assert found[number]["transcript"] == []
        assert found[number]["analysis"] is None
        assert found[number]["metadata"]["call_duration_secs"] == 0
        assert found[number]["metadata"]["error"]["reason"]
    assert found[NO_ANSWER]["metadata"]["error"] == {
        "code": 1011,
        "reason": "request timed out",
        "error_type": "no_answer",
    }


def test_a_conversation_goes_through_its_stages(sim: Caller) -> None:
    sim.reset(speed=20)
    sim.script(**{ANSWERED: {"outcome": "answered", "ring_secs": 2, "talk_secs": 3, "result": "failure"}})
    conversation_id = sim.call(ANSWERED)["conversation_id"]
    seen: list[Json] = []

    def look() -> bool:
        found = sim.conversation(conversation_id)
        if not seen or seen[-1]["status"] != found["status"]:
            seen.append(found)
        return bool(found["status"] == "done")

    eventually(look)
    stages = ["initiated", "in-progress", "processing", "done"]
    statuses = [item["status"] for item in seen]
    assert statuses == [stage for stage in stages if stage in statuses]
    for item in seen:
        has_ended = item["status"] in ("processing", "done")
        assert item["metadata"]["call_duration_secs"] == (3 if has_ended else 0)
        assert bool(item["transcript"]) == has_ended
        assert (item["analysis"] is not None) == (item["status"] == "done")
    assert seen[-1]["analysis"]["call_successful"] == "failure"
    assert abs(seen[-1]["metadata"]["start_time_unix_secs"] - time.time()) < 10


def test_a_call_that_is_up_shows_neither_length_nor_words(sim: Caller) -> None:
    sim.script(**{ANSWERED: {"outcome": "stuck"}})
    conversation_id = sim.call(ANSWERED)["conversation_id"]
    eventually(lambda: sim.conversation(conversation_id)["status"] == "in-progress")
    found = sim.conversation(conversation_id)
    assert found["metadata"]["call_duration_secs"] == 0
    assert found["metadata"]["accepted_time_unix_secs"]
    assert (found["transcript"], found["analysis"], found["has_audio"]) == ([], None, False)


def test_a_call_knows_its_batch_its_user_and_its_variables(sim: Caller) -> None:
    sim.script(**{ANSWERED: {"outcome": "answered"}})
    batch_id = sim.submit([ANSWERED])
    found = sim.settled(sim.finished(batch_id)["recipients"][0]["conversation_id"])
    assert found["metadata"]["batch_call"] == {"batch_call_id": batch_id, "batch_call_recipient_id": "r0"}
    assert found["user_id"] == "u0"
    variables = found["conversation_initiation_client_data"]["dynamic_variables"]
    assert variables["name"] == "Person 0"
    assert variables["system__called_number"] == ANSWERED
    assert "Person 0" in found["transcript"][0]["message"]
    assert [item["conversation_id"] for item in sim.get("/v1/convai/conversations", user_id="u0")["conversations"]] == [
        found["conversation_id"]
    ]


def test_equal_submits_are_two_batches(sim: Caller) -> None:
    body = sim.submission(numbers(2))
    first, second = (sim.post("/v1/convai/batch-calling/submit", body)["id"] for _ in range(2))
    assert first != second
    sim.finished(first)
    sim.finished(second)
    assert Counter(entry["number"] for entry in sim.ledger()) == dict.fromkeys(numbers(2), 2)


def test_cancel_takes_back_what_was_not_dispatched_and_lets_calls_end(sim: Caller) -> None:
    sim.reset(speed=40)
    sim.script(**{"*": {"outcome": "answered", "ring_secs": 1, "talk_secs": 40}})
    batch_id = sim.submit(numbers(6), target_concurrency_limit=2)
    eventually(lambda: sim.batch(batch_id)["recipients"][1]["status"] != "pending")
    assert sim.post(f"/v1/convai/batch-calling/{batch_id}/cancel")["status"] == "cancelled"
    statuses = [one["status"] for one in sim.batch(batch_id)["recipients"]]
    assert "cancelled" not in statuses[:2]
    assert statuses[2:] == ["cancelled"] * 4
    eventually(lambda: [one["status"] for one in sim.batch(batch_id)["recipients"]][:2] == ["completed"] * 2)
    assert len(sim.ledger()) == 2


def test_retry_dials_only_what_failed(sim: Caller) -> None:
    sim.script(**SCRIPT)
    batch_id = sim.submit(list(SCRIPT))
    sim.finished(batch_id)
    sim.script(**{BUSY: {"outcome": "answered"}})
    assert sim.post(f"/v1/convai/batch-calling/{batch_id}/retry")["retry_count"] == 1
    status = {one["phone_number"]: one["status"] for one in sim.finished(batch_id)["recipients"]}
    assert status[BUSY] == "completed"
    dialled = Counter(entry["number"] for entry in sim.ledger())
    assert dialled == {ANSWERED: 1, VOICEMAIL: 1, NO_ANSWER: 2, BUSY: 2, FAILED: 2}


def test_a_short_ringing_timeout_turns_a_slow_answer_into_no_answer(sim: Caller) -> None:
    sim.script(**{ANSWERED: {"outcome": "answered", "ring_secs": 20}})
    placed = sim.call(ANSWERED, telephony_call_config={"ringing_timeout_secs": 10})
    found = sim.settled(placed["conversation_id"])
    assert found["metadata"]["phone_call"]["call_result"] == "no_answer"


def test_a_missing_required_variable_ends_the_call_at_once(sim: Caller) -> None:
    change = {"agent": {"first_message": "Hello {{owner_name}}"}}
    sim.http.patch(f"/v1/convai/agents/{AGENT}", json={"conversation_config": change})
    sim.script(**{ANSWERED: {"outcome": "answered"}})
    found = sim.settled(sim.call(ANSWERED)["conversation_id"])
    assert found["metadata"]["termination_reason"] == (
        "Missing required dynamic variables in first message: {'owner_name'}"
    )


def test_an_override_needs_the_agents_permission(sim: Caller) -> None:
    sim.script(**{"*": {"outcome": "answered"}})

    def override(agent: Json) -> Json:
        data = {"conversation_config_override": {"agent": agent}}
        placed = sim.call(ANSWERED, conversation_initiation_client_data=data)
        found: Json = sim.settled(placed["conversation_id"])
        return found

    assert override({"first_message": "Ahoy!"})["transcript"][0]["message"] == "Ahoy!"
    assert override({"prompt": {"prompt": "Be rude"}})["metadata"]["error"]["error_type"] == "override_error"


def test_single_calls_are_refused_not_queued_when_all_lines_are_busy(sim: Caller) -> None:
    sim.reset(concurrency=1)
    sim.script(**{"*": {"outcome": "stuck"}})
    sim.call(ANSWERED)
    ids = {"agent_id": AGENT, "agent_phone_number_id": sim.sip_number_id(), "to_number": BUSY}
    refused = sim.http.post("/v1/convai/sip-trunk/outbound-call", json=ids)
    assert refused.status_code == 429
    assert refused.json()["detail"]["code"] == "concurrent_limit_exceeded"
    assert sim.get("/v1/convai/analytics/live-count") == {"count": 1}


def test_sip_call_id_is_the_conversations_call_sid(sim: Caller) -> None:
    placed = sim.call(ANSWERED)
    phone_call = sim.conversation(placed["conversation_id"])["metadata"]["phone_call"]
    assert phone_call["type"] == "sip_trunking"
    assert placed["sip_call_id"] == phone_call["call_sid"] != phone_call["call_id"]


def test_a_scheduled_batch_waits_for_its_time(sim: Caller) -> None:
    batch_id = sim.submit(numbers(1), scheduled_time_unix=int(time.time()) + 3600)
    assert sim.batch(batch_id)["status"] == "pending"
    assert sim.get("/_sim/state")["in_flight"] == 0


def test_accounts_are_worlds_of_their_own(sim: Caller) -> None:
    batch_id = sim.submit(numbers(1))
    other = Caller(sim.url, key="sk_acct_acme_1")
    assert other.get(f"/v1/convai/agents/{AGENT}")["agent_id"] == AGENT
    assert other.get("/v1/convai/batch-calling/workspace")["batch_calls"] == []
    assert other.http.get(f"/v1/convai/batch-calling/{batch_id}").status_code == 404
    assert other.sip_number_id() != sim.sip_number_id()
    other.http.close()


def test_somebody_may_ring_us(sim: Caller) -> None:
    order = {"phone_number_id": sim.sip_number_id(), "from_number": BUSY, "agent_id": AGENT}
    found = sim.settled(sim.post("/_sim/inbound", order)["conversation_id"])
    assert found["status"] == "done"
    assert found["metadata"]["phone_call"]["direction"] == "inbound"
    assert sim.ledger() == []


def test_the_ledger_file_and_the_state_file_outlive_the_simulator(tmp_path: Path) -> None:
    config = SimulatorConfig(speed=2000, ledger=tmp_path / "ledger.jsonl", state=tmp_path / "state.json")
    with running(config) as started:
        caller = Caller(started.url)
        body = {"provider": "twilio", "phone_number": "+15550100111", "label": "T", "sid": "AC1", "token": "secret"}
        number_id = caller.post("/v1/convai/phone-numbers", body)["phone_number_id"]
        caller.finished(caller.submit(numbers(3)))
        caller.http.close()
    lines = [orjson.loads(line) for line in (tmp_path / "ledger.jsonl").read_bytes().splitlines()]
    assert Counter(line["event"] for line in lines) == {"batch_calling.submit": 1, "placed": 3, "ended": 3}
    assert b"secret" not in (tmp_path / "state.json").read_bytes()
    with running(config) as started:
        caller = Caller(started.url)
        assert caller.get(f"/v1/convai/phone-numbers/{number_id}")["label"] == "T"
        caller.http.close()
