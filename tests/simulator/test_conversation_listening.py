"""The agents' conversation socket: who is heard, who is interrupted, and what is noted."""

from __future__ import annotations

import io
import wave

import pytest

from tests.simulator.helpers import Caller, eventually
from tests.simulator.talking import (
    behave,
    change,
    marks,
    signed,
    talking,
    timeline,
    tone,
)

pytestmark = pytest.mark.usefixtures("quick")


def test_a_written_message_is_answered_without_a_transcript(sim: Caller) -> None:
    behave(sim, replies=["First.", "Second."])
    with talking(signed(sim)) as talk:
        talk.until("audio")
        talk.send({"type": "user_message", "text": "Good day"})
        assert talk.until("agent_response")["agent_response"] == "First."
        talk.until("audio")
        talk.send({"type": "user_message", "text": "And?"})
        assert talk.until("agent_response")["agent_response"] == "Second."
    assert "user_transcript" not in talk.kinds()


def test_speech_and_then_silence_is_a_turn(sim: Caller) -> None:
    behave(sim, hears=["Yes, speaking."], replies=["Fine."])
    change(sim, conversation_config={"agent": {"first_message": ""}})
    with talking(signed(sim)) as talk:
        talk.until("conversation_initiation_metadata")
        talk.say(bytes(3200) + tone(0.4) + bytes(6400))
        assert talk.until("user_transcript")["user_transcript"] == "Yes, speaking."
        assert talk.until("agent_response")["agent_response"] == "Fine."
        talk.until("audio")
    assert talk.kinds() == ["conversation_initiation_metadata", "user_transcript", "agent_response"]


def test_what_the_user_said_can_be_heard_afterwards(sim: Caller) -> None:
    with talking(signed(sim)) as talk:
        conversation_id = talk.until("conversation_initiation_metadata")["conversation_id"]
        talk.say(tone(0.4))
        eventually(lambda: marks(sim, conversation_id, "user_finished"))
    answer = sim.http.get(f"/_sim/sockets/{conversation_id}/heard.wav")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/wav")
    with wave.open(io.BytesIO(answer.content)) as file:
        assert file.getframerate() == 16_000
        assert tone(0.4) in file.readframes(file.getnframes())
    assert sim.http.get("/_sim/sockets/conv_unknown/heard.wav").status_code == 404


def test_a_client_that_falls_silent_by_sending_nothing_has_finished_too(sim: Caller) -> None:
    behave(sim, hears=["Hello?"])
    with talking(signed(sim)) as talk:
        talk.until("conversation_initiation_metadata")
        talk.say(tone(0.3))
        assert talk.until("user_transcript")["user_transcript"] == "Hello?"


def test_a_quiet_line_and_a_click_are_no_speech(sim: Caller) -> None:
    with talking(signed(sim)) as talk:
        conversation_id = talk.until("conversation_initiation_metadata")["conversation_id"]
        talk.say(tone(0.5, loudness=150) + tone(0.06) + bytes(16_000))
        talk.send({"type": "contextual_update", "text": "mark"})
        eventually(lambda: marks(sim, conversation_id, "contextual_update"))
        assert not marks(sim, conversation_id, "user_began")


def test_who_is_interrupted_stops_and_says_what_was_heard(sim: Caller) -> None:
    behave(sim, words_per_second=5, replies=["I see."], hears=["Wait."])
    with talking(signed(sim)) as talk:
        conversation_id = talk.until("conversation_initiation_metadata")["conversation_id"]
        said = talk.until("agent_response")
        talk.until("audio")
        talk.until("audio")
        talk.say(tone(0.3))
        voided = talk.until("interruption")["event_id"]
        correction = talk.until("agent_response_correction")
        talk.say(bytes(6400))
        talk.until("user_transcript")
        after = talk.until("agent_response")
        sound = talk.until("audio")
    assert correction["original_agent_response"] == said["agent_response"]
    assert said["agent_response"].startswith(correction["corrected_agent_response"])
    assert len(correction["corrected_agent_response"]) < len(said["agent_response"])
    assert correction["event_id"] == said["event_id"]
    assert said["event_id"] < voided < after["event_id"] < sound["event_id"]
    order = [event["type"] for event in talk.events if event["type"] != "ping"]
    at = order.index("interruption")
    assert order[at : at + 5] == [
        "interruption",
        "agent_response_correction",
        "user_transcript",
        "agent_response",
        "audio",
    ]
    turns = sim.settled(conversation_id)["transcript"]
    assert turns[0]["interrupted"]
    assert turns[0]["original_message"] == said["agent_response"]
    assert [(turn["role"], turn["message"]) for turn in turns[1:2]] == [("user", "Wait.")]


def test_the_instrument_tells_how_fast_a_barge_in_was(sim: Caller) -> None:
    behave(sim, words_per_second=5)
    with talking(signed(sim)) as talk:
        conversation_id = talk.until("conversation_initiation_metadata")["conversation_id"]
        talk.until("audio")
        talk.say(bytes(3200) + tone(0.3))
        talk.until("interruption")
    events = {event["what"]: event for event in timeline(sim, conversation_id)}
    assert events["user_began"]["audio_ms"] == 220  # 100 ms of silence, 120 ms of speech
    assert 0 <= events["interruption"]["at"] - events["user_began"]["at"] < 0.1
    interrupted = events["agent_interrupted"]
    assert interrupted["by"] == "voice"
    assert 0 < interrupted["played_secs"] <= interrupted["sent_secs"] + 0.3


def test_a_first_message_that_may_not_be_interrupted_is_not(sim: Caller) -> None:
    change(sim, conversation_config={"agent": {"disable_first_message_interruptions": True}})
    behave(sim, hears=["Now?"])
    with talking(signed(sim)) as talk:
        conversation_id = talk.until("conversation_initiation_metadata")["conversation_id"]
        talk.until("audio")
        talk.say(tone(0.3) + bytes(6400))
        eventually(lambda: marks(sim, conversation_id, "agent_finished"))
        talk.say(tone(0.3) + bytes(6400))
        talk.until("user_transcript")
    assert "interruption" not in talk.kinds()


def test_context_and_activity_are_noted_and_not_answered(sim: Caller) -> None:
    change(sim, conversation_config={"agent": {"first_message": ""}})
    with talking(signed(sim)) as talk:
        conversation_id = talk.until("conversation_initiation_metadata")["conversation_id"]
        talk.send({"type": "contextual_update", "text": "On the pricing page."})
        talk.send({"type": "user_activity"})
        eventually(lambda: marks(sim, conversation_id, "user_activity"))
    assert marks(sim, conversation_id, "contextual_update")[0]["frame"]["text"] == "On the pricing page."
    assert talk.kinds() == ["conversation_initiation_metadata"]


def test_pings_measure_the_way(sim: Caller) -> None:
    with talking(signed(sim)) as talk:
        first, second = talk.until("ping"), talk.until("ping")
    assert first["ping_ms"] is None
    assert second["ping_ms"] >= 1
    assert second["event_id"] > first["event_id"]


def test_a_silent_user_is_asked_whether_they_are_there(sim: Caller) -> None:
    change(sim, conversation_config={"turn": {"turn_timeout": 0.05}})
    with talking(signed(sim)) as talk:
        talk.until("agent_response")
        assert talk.until("agent_response")["agent_response"] == "Are you still there?"
