"""What the event socket says, as values; and what it says that is none of our business."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.asterisk.events import Answered, Destroyed, Rang, Replaced, StasisStarted, decode

CHANNEL = {"id": "call_1", "name": "PJSIP/trunk-1", "state": "Down"}


def event(type_: str, **more: Any) -> dict[str, Any]:
    return {"type": type_, "application": "aispinner", "timestamp": "2026-11-23T03:00:00.000+0000", **more}


def dial(status: str) -> dict[str, Any]:
    return event("Dial", peer=CHANNEL, dialstatus=status, dialstring="")


def test_ringing_is_heard_from_the_dial_and_from_the_state() -> None:
    assert decode(dial("RINGING")) == Rang(channel_id="call_1")
    assert decode(event("ChannelStateChange", channel={**CHANNEL, "state": "Ringing"})) == Rang(channel_id="call_1")


def test_early_media_is_no_answer() -> None:
    assert decode(dial("PROGRESS")) == Rang(channel_id="call_1", early_media=True)
    assert decode(dial("ANSWER")) == Answered(channel_id="call_1")


def test_a_channel_that_is_up_has_not_been_answered_by_that() -> None:
    assert decode(event("ChannelStateChange", channel={**CHANNEL, "state": "Up"})) is None


@pytest.mark.parametrize("status", ["", "NOANSWER", "BUSY", "CANCEL", "CONGESTION", "CHANUNAVAIL"])
def test_how_a_dial_ended_is_not_taken_from_its_status(status: str) -> None:
    assert decode(dial(status)) is None


def test_an_end_has_its_causes() -> None:
    gone = event("ChannelDestroyed", channel=CHANNEL, cause=19, cause_txt="No answer", tech_cause=480)
    assert decode(gone) == Destroyed(channel_id="call_1", cause=19, tech_cause=480)
    old = event("ChannelDestroyed", channel=CHANNEL, cause=17, cause_txt="User busy")
    assert decode(old) == Destroyed(channel_id="call_1", cause=17)


def test_a_start_has_its_arguments() -> None:
    start = event("StasisStart", channel=CHANNEL, args=["amd", "MACHINE", "MAXWORDS-3-2"])
    assert decode(start) == StasisStarted(channel_id="call_1", args=("amd", "MACHINE", "MAXWORDS-3-2"))


def test_being_replaced_is_told_apart() -> None:
    assert decode(event("ApplicationReplaced")) == Replaced()


@pytest.mark.parametrize(
    "message",
    [
        {},
        event("ChannelVarset", channel=CHANNEL),
        event("Dial", peer=None, dialstatus="RINGING"),
        event("StasisStart", channel="call_1", args=[]),
        event("ChannelDestroyed", channel={"id": 7}, cause="x"),
    ],
)
def test_what_cannot_be_read_is_passed_over(message: dict[str, Any]) -> None:
    assert decode(message) is None


def test_a_cause_that_is_no_number_is_none() -> None:
    assert decode(event("ChannelDestroyed", channel=CHANNEL, cause="x", tech_cause=True)) == Destroyed(
        channel_id="call_1", cause=0, tech_cause=None
    )
