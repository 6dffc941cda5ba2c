"""Campaigns from the request to the last recording, through every real process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import pytest

from tests.stack import Stack, follow

pytestmark = pytest.mark.e2e
COUNTS = ("pending_count", "in_flight_count", "success_count", "failed_count", "cancelled_count")
_thousands = count(1)


@pytest.fixture
def numbers() -> Iterator[list[str]]:
    """Numbers that no other campaign has called."""
    thousand = next(_thousands)
    yield [f"+1555{thousand:03}{place:04}" for place in range(1000)]


def start(stack: Stack, numbers: Sequence[str], **wishes: Any) -> str:
    body = {"workspace_id": 1, "node_id": "pbx_abc123", "agent_node_id": "agent_xyz", "numbers": numbers, **wishes}
    return str(stack.post("/telephony/dialer/start", body)["call_id"])


def most_at_once(entries: Sequence[dict[str, Any]]) -> int:
    """How many calls were up at the same time, by the provider's own record."""
    edges = [(entry["placed_at"], 1) for entry in entries] + [(entry["ended_at"], -1) for entry in entries]
    up = most = 0
    for _, change in sorted(edges):
        up += change
        most = max(most, up)
    return most


def placed(stack: Stack, calls: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The ledger's lines about these calls."""
    ours = {call["call_id"] for call in calls}
    return [entry for entry in stack.ledger() if entry["recipient_id"] in ours]


def test_a_campaign_calls_every_number_once_and_everything_about_it_is_in_the_journal(
    stack: Stack, numbers: list[str]
) -> None:
    campaign = start(stack, numbers[:200], max_concurrent=50)
    for run in follow(stack, campaign, until={"completed"}):
        assert sum(run[name] for name in COUNTS) == run["numbers_count"] == 200
        assert run["in_flight_count"] <= 50
    calls = stack.journal(campaign)
    entries = placed(stack, calls)
    assert Counter(entry["number"] for entry in entries) == Counter(numbers[:200])
    by_number = {entry["number"]: entry for entry in entries}
    for call in calls:
        entry = by_number[call["subscriber_phone"]]
        assert call["conversation_id"] == entry["conversation_id"]
        assert call["outcome"] == {"failed": "error"}.get(entry["outcome"], entry["outcome"])
        assert call["status"] == ("done" if call["outcome"] in {"answered", "voicemail"} else "failed")
        if call["outcome"] == "answered":
            assert call["duration_sec"] > 0
            assert call["transcript"]
            assert call["summary"]
            assert call["has_audio"]
    assert run["success_count"] == sum(call["status"] == "done" for call in calls)
    assert run["total_duration_sec"] == sum(call["duration_sec"] for call in calls)
    assert most_at_once(entries) <= 50
    recording = stack.request(
        "GET", next(call["audio_url"] for call in calls if call["has_audio"]).split(stack.address)[-1]
    )
    assert recording.headers["Content-Type"] == "audio/mpeg"
    assert len(recording.content) > 1000


@pytest.mark.parametrize("pacing", ["chunked", "continuous"])
def test_a_campaign_that_wants_more_lines_than_the_account_has_runs_to_its_end_within_the_limit(
    stack: Stack, numbers: list[str], pacing: str
) -> None:
    stack.sql("UPDATE integrations_account SET concurrency_limit = 8")
    try:
        campaign = start(stack, numbers[:60], max_concurrent=40, pacing=pacing)
        for run in follow(stack, campaign, until={"completed"}):
            assert run["in_flight_count"] <= 8
    finally:
        stack.sql("UPDATE integrations_account SET concurrency_limit = 200")
    entries = placed(stack, stack.journal(campaign))
    assert Counter(entry["number"] for entry in entries) == Counter(numbers[:60])
    assert most_at_once(entries) <= 8


def test_a_paused_campaign_submits_nothing_and_a_resumed_one_calls_the_rest(stack: Stack, numbers: list[str]) -> None:
    campaign = start(stack, numbers[:60], max_concurrent=10)
    for run in follow(stack, campaign, until={"completed", "paused"}):
        if run["success_count"] + run["failed_count"] >= 10:
            break
    assert stack.post(f"/telephony/runs/{campaign}/pause")["status"] in {"pausing", "paused"}
    tried = {call["call_id"] for call in stack.journal(campaign)}
    *_, run = follow(stack, campaign, until={"paused"})
    assert {call["call_id"] for call in stack.journal(campaign)} == tried
    assert campaign in {each["call_id"] for each in stack.get("/telephony/runs/resumable", workspace_id=1)["runs"]}
    stack.post(f"/telephony/runs/{campaign}/resume")
    *_, run = follow(stack, campaign, until={"completed"})
    calls = [call for call in stack.journal(campaign) if call["status"] != "cancelled"]
    assert Counter(entry["number"] for entry in placed(stack, calls)) == Counter(numbers[:60])
    assert run["success_count"] + run["failed_count"] == 60


def test_a_cancelled_campaign_calls_nobody_more(stack: Stack, numbers: list[str]) -> None:
    campaign = start(stack, numbers[:60], max_concurrent=10)
    for run in follow(stack, campaign, until={"completed"}):
        if run["success_count"] + run["failed_count"] >= 10:
            break
    assert stack.post(f"/telephony/runs/{campaign}/cancel")["status"] == "cancelled"
    for run in follow(stack, campaign, until=set(), within=60):
        if run["finished_at"]:
            break
    assert run["pending_count"] == run["in_flight_count"] == 0
    assert run["cancelled_count"] > 0
    assert sum(run[name] for name in COUNTS) == 60
