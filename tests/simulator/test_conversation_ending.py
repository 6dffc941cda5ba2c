"""The agents' conversation socket: how it ends, and what is left of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from integrations.elevenlabs.simulator.sounds import Track
from tests.simulator.helpers import Caller, Json, Listener, eventually, mp3_info
from tests.simulator.talking import (
    INITIATION,
    behave,
    change,
    signed,
    talking,
    tone,
)

pytestmark = pytest.mark.usefixtures("quick")


@pytest.mark.parametrize(
    ("frame", "error_type"),
    [
        ("not json", "invalid_message"),
        ("[]", "invalid_message"),
        (b"\x00", "invalid_message"),
        ({"type": "surprise"}, "invalid_message"),
        ({"type": "pong"}, "missing_fields"),
        ({"type": "pong", "event_id": "one"}, "value_error"),
        ({"user_audio_chunk": "?"}, "value_error"),
        (INITIATION, "invalid_message"),
    ],
)
def test_nonsense_is_closed_with_1008(sim: Caller, frame: Any, error_type: str) -> None:
    with talking(signed(sim)) as talk:
        talk.until("conversation_initiation_metadata")
        talk.send(frame)
        assert talk.error() == (1008, error_type)


def test_the_first_frame_must_be_the_initiation(sim: Caller) -> None:
    with talking(signed(sim), {"type": "user_message", "text": "Hello"}) as talk:
        assert talk.error() == (1008, "invalid_message")


@pytest.mark.parametrize(
    ("override", "error_type"),
    [
        ({"tts": {"voice_id": "x"}}, "override_error"),
        ({"agent": {"first_message": "Hello {{stranger}}"}}, "missing_dynamic_variable"),
    ],
)
def test_what_the_agent_does_not_allow_or_know_is_closed_with_1008(
    sim: Caller, override: Json, error_type: str
) -> None:
    with talking(signed(sim), {**INITIATION, "conversation_config_override": override}) as talk:
        assert talk.error() == (1008, error_type)
    listed = sim.get("/v1/convai/conversations")["conversations"]
    assert [item["status"] for item in listed] == ["failed"]
    assert sim.conversation(listed[0]["conversation_id"])["metadata"]["error"]["error_type"] == error_type


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ({"receive_timeout_secs": 0.2}, (1002, "transport_receive_timeout")),
        ({"fault": "llm_timeout"}, (1002, "llm_timeout")),
        ({"fault": "internal_error"}, (1011, "telephony_agent_error")),
    ],
)
def test_what_goes_wrong_there_is_said_before_closing(sim: Caller, script: Json, error: tuple[int, str]) -> None:
    behave(sim, **script)
    with talking(signed(sim)) as talk:
        talk.until("agent_response")
        if "fault" in script:
            talk.send({"type": "user_message", "text": "Hello"})
        assert talk.error() == error


def test_out_of_credits_nothing_begins(sim: Caller) -> None:
    sim.faults({"fault": "out_of_credits", "times": 1})
    with talking(signed(sim)) as talk:
        assert talk.close_code() == 3000


def test_a_conversation_has_a_longest_time(sim: Caller) -> None:
    change(sim, conversation_config={"conversation": {"max_duration_seconds": 0.3}})
    with talking(signed(sim)) as talk:
        assert talk.error() == (1000, "max_duration_exceeded")


def test_a_reset_ends_what_is_going_on(sim: Caller) -> None:
    with talking(signed(sim)) as talk:
        talk.until("conversation_initiation_metadata")
        sim.reset()
        assert talk.close_code() == 1011


def test_an_agent_that_hangs_up_leaves_a_whole_conversation_behind(sim: Caller, listener: Listener) -> None:
    sim.attach_webhook(listener.url)
    behave(sim, end_after=1, hears=["Goodbye then."])
    with talking(signed(sim), {**INITIATION, "user_id": "call_1", "dynamic_variables": {"name": "Ada"}}) as talk:
        conversation_id = talk.until("conversation_initiation_metadata")["conversation_id"]
        talk.until("audio")
        talk.say(tone(0.3) + bytes(6400))
        assert talk.close_code() == 1000
    found = sim.settled(conversation_id)
    assert [turn["role"] for turn in found["transcript"]] == ["agent", "user", "agent"]
    assert (found["status"], found["user_id"], found["has_audio"]) == ("done", "call_1", True)
    assert found["metadata"]["termination_reason"] == "end_call tool was called."
    assert found["metadata"]["phone_call"] is None
    assert found["analysis"]["transcript_summary"]
    recording = sim.http.get(f"/v1/convai/conversations/{conversation_id}/audio").content
    assert abs(mp3_info(recording).length - found["metadata"]["call_duration_secs"]) < 0.3
    heard = json.loads(eventually(lambda: listener.heard)[0].body)
    assert (heard["type"], heard["data"]["conversation_id"]) == ("post_call_transcription", conversation_id)


def test_a_client_that_hangs_up_ends_it(sim: Caller) -> None:
    with talking(signed(sim)) as talk:
        conversation_id = talk.until("conversation_initiation_metadata")["conversation_id"]
        talk.until("audio")
    assert sim.settled(conversation_id)["metadata"]["termination_reason"] == "Client disconnected: 1000"


@pytest.mark.parametrize(
    "script", [{"pace": 0}, {"fault": "fire"}, {"replies": "no list"}, {"unknown": 1}, {"ping_secs": True}, "no object"]
)
def test_a_script_that_makes_no_sense_is_refused(sim: Caller, script: Any) -> None:
    assert sim.http.post("/_sim/sockets", json={"*": script}).status_code == 400


def test_the_recording_holds_both_sides_and_only_what_was_played() -> None:
    second = 32_000
    track = Track()
    track.hear(0.0, b"\x01" * second)
    track.hear(0.5, b"\x02" * second)  # came early: it follows the first
    track.say(2.5, b"\x03" * second)
    track.say(3.5, b"\x04" * second)
    track.cut(3.0)
    whole = track.whole(4.0)
    assert len(whole) == 4 * second
    assert [whole[int(at * second)] for at in (0.5, 1.5, 2.25, 2.75, 3.25, 3.75)] == [1, 2, 0, 3, 0, 0]
