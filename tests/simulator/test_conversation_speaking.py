"""The agents' conversation socket: what is said, in which order and format."""

from __future__ import annotations

import base64
from array import array

import pytest

from tests.simulator.helpers import Caller
from tests.simulator.talking import (
    INITIATION,
    behave,
    change,
    signed,
    talking,
)
from tests.voice.sounds import share_of_tone

pytestmark = pytest.mark.usefixtures("quick")


def test_metadata_comes_first_then_the_words_then_their_sound(sim: Caller) -> None:
    with talking(signed(sim)) as talk:
        metadata = talk.next()
        assert metadata["type"] == "conversation_initiation_metadata"
        event = metadata["conversation_initiation_metadata_event"]
        assert event["conversation_id"].startswith("conv_")
        assert (event["agent_output_audio_format"], event["user_input_audio_format"]) == ("pcm_16000", "pcm_16000")
        words = talk.until("agent_response")
        assert words["agent_response"] == "Hello there, this is Ava from Northwind Services. Do you have a minute?"
        pieces = [talk.until("audio") for _ in range(3)]
    ids = [words["event_id"], *(piece["event_id"] for piece in pieces)]
    assert ids == sorted(set(ids))
    sounds = [base64.b64decode(piece["audio_base_64"]) for piece in pieces]
    assert [len(sound) for sound in sounds[:2]] == [8000, 8000]  # 250 ms each
    assert max(array("h", sounds[0])) > 3000


def test_sound_comes_in_the_format_that_the_agent_is_set_to(sim: Caller) -> None:
    config = {"tts": {"agent_output_audio_format": "ulaw_8000"}, "asr": {"user_input_audio_format": "ulaw_8000"}}
    change(sim, conversation_config=config)
    behave(sim, hears=["On a phone line."])
    with talking(signed(sim)) as talk:
        metadata = talk.until("conversation_initiation_metadata")
        assert metadata["agent_output_audio_format"] == "ulaw_8000"
        sound = base64.b64decode(talk.until("audio")["audio_base_64"])
        assert len(sound) == 2000
        assert len(set(sound)) > 50
        loud, quiet = bytes([0x90, 0x10]) * 2000, b"\xff" * 1600  # µ-law of a square wave, and of nothing
        for line in (loud, quiet):
            talk.send({"user_audio_chunk": base64.b64encode(line).decode()})
        assert talk.until("user_transcript")["user_transcript"] == "On a phone line."


def test_an_agent_can_be_known_by_its_tones(sim: Caller) -> None:
    behave(sim, tones=[620, 1000], words_per_second=10)
    with talking(signed(sim)) as talk:
        sounds = [base64.b64decode(talk.until("audio")["audio_base_64"]) for _ in range(3)]
    assert [share_of_tone(sound, hertz) > 0.9 for sound, hertz in zip(sounds, (620, 1000, 620), strict=True)] == [
        True
    ] * 3
    assert share_of_tone(sounds[0], 1000) < 0.1


def test_variables_reach_the_first_message(sim: Caller) -> None:
    with talking(signed(sim), {**INITIATION, "dynamic_variables": {"name": "Ada"}}) as talk:
        assert talk.until("agent_response")["agent_response"].startswith("Hello Ada,")


def test_an_allowed_override_is_followed(sim: Caller) -> None:
    override = {"agent": {"first_message": "Good morning."}, "conversation": {"text_only": True}}
    with talking(signed(sim), {**INITIATION, "conversation_config_override": override}) as talk:
        assert talk.until("agent_response")["agent_response"] == "Good morning."
        talk.send({"type": "user_message", "text": "Hi."})
        talk.until("agent_response")
        assert "audio" not in talk.kinds(without=())


def test_only_the_events_that_the_agent_lists_are_sent(sim: Caller) -> None:
    events = ["agent_response", "agent_chat_response_part"]
    change(sim, conversation_config={"conversation": {"client_events": events, "text_only": True}})
    with talking(signed(sim)) as talk:
        while len(talk.kinds()) < 5:
            talk.next()
        assert talk.kinds() == ["conversation_initiation_metadata", "agent_response", *["agent_chat_response_part"] * 3]
