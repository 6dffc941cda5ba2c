"""A campaign over an own Asterisk, from the request to the last word, through every real process."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.stack import Stack, follow

pytestmark = pytest.mark.e2e
NUMBERS = [f"+1555770{place:04}" for place in range(30)]
MEANS = {  # what the far end did → how the call ended
    "answered": {"answered", "voicemail"},
    "voicemail": {"answered", "voicemail"},
    "no_answer": {"no_answer"},
    "busy": {"busy"},
    "rejected": {"rejected"},
    "invalid": {"invalid_number"},
    "congestion": {"congestion"},
}


def ledger(stack: Stack) -> list[dict[str, Any]]:
    """What the PBX's trunk saw, each dial as it ended."""
    path = Path(stack.environment["MEDIA_ROOT"]).parent / "pbx-ledger.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in lines if line["event"] == "ended" and line["number"] in NUMBERS]


def test_a_campaign_over_an_own_asterisk_is_in_the_journal_as_it_was_dialled(stack: Stack) -> None:
    body = {"workspace_id": 1, "node_id": "pbx_asterisk", "numbers": NUMBERS, "max_concurrent": 15}
    campaign = stack.post("/telephony/dialer/start", {**body, "pacing": "continuous"})["call_id"]
    *_, run = follow(stack, campaign, until={"completed", "paused"})
    assert (run["status"], run["wait_reason"], run["voice_stack"]) == ("completed", None, "custom_voice")
    calls = [call for call in stack.journal(campaign) if call["status"] != "cancelled"]
    dialled = ledger(stack)
    assert Counter(entry["number"] for entry in dialled) == Counter(NUMBERS)
    assert sorted(call["subscriber_phone"] for call in calls) == NUMBERS
    ended = {call["subscriber_phone"]: call["outcome"] for call in calls}
    for entry in dialled:
        assert ended[entry["number"]] in MEANS[entry["outcome"]], entry["outcome"]
    assert any(call["conversation_id"] and call["transcript"] for call in calls)
