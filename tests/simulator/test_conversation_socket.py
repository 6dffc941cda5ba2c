"""The agents' conversation socket: what is said in which order, who is heard, who is interrupted, and how it ends."""

from __future__ import annotations

import base64
import json
import math
import threading
import warnings
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pytest
from elevenlabs.client import ElevenLabs
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from integrations.elevenlabs.simulator.sounds import Track
from tests.simulator.helpers import AGENT, KEY, Caller, Json, Listener, eventually, mp3_info
from tests.simulator.test_with_sdk import gaps

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # the SDK names a class that websockets is about to drop
    from elevenlabs.conversational_ai.conversation import AudioInterface, ConversationInitiationData
    from elevenlabs.conversational_ai.conversation import Conversation as SdkConversation

QUICK = {"words_per_second": 40, "think_ms": 10, "silence_ms": 100, "ping_secs": 0.1}
INITIATION = {"type": "conversation_initiation_client_data"}
NOTHING_NEW = ("ping", "audio")


def tone(secs: float, *, rate: int = 16_000, loudness: int = 8000) -> bytes:
    """Somebody speaking, as far as an ear for loudness can tell: 16-bit PCM."""
    return array("h", [int(loudness * math.sin(n * 0.3)) for n in range(int(secs * rate))]).tobytes()


class Talk:
    """A conversation as a client sees it; every event that came is kept."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.events: list[Json] = []

    def send(self, frame: Any) -> None:
        with suppress(ConnectionClosed):  # then reading on tells why
            self.socket.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))

    def say(self, pcm: bytes, *, piece_secs: float = 0.1) -> None:
        """Audio in pieces, all at once: the ear counts samples, not seconds."""
        size = int(32_000 * piece_secs)
        for start in range(0, len(pcm), size):
            self.send({"user_audio_chunk": base64.b64encode(pcm[start : start + size]).decode()})

    def next(self, *, within: float = 3.0) -> Json:
        event: Json = json.loads(self.socket.recv(timeout=within))
        self.events.append(event)
        if event["type"] == "ping":
            self.send({"type": "pong", "event_id": event["ping_event"]["event_id"]})
        return event

    def until(self, kind: str) -> Json:
        """The next event of that kind: what is in it."""
        while True:
            event = self.next()
            if event["type"] == kind:
                payload: Json = next(value for name, value in event.items() if name != "type")
                return payload

    def kinds(self, *, without: tuple[str, ...] = NOTHING_NEW) -> list[str]:
        return [event["type"] for event in self.events if event["type"] not in without]

    def close_code(self) -> int:
        """Read on until the server closes."""
        try:
            while True:
                self.next(within=8)
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            return closed.rcvd.code

    def error(self) -> tuple[int, str]:
        """The close code, and the error_type of the error event before it."""
        code = self.close_code()
        event = self.events[-1]
        assert event["type"] == "error"
        assert event["error_event"]["code"] == code
        return code, event["error_event"]["error_type"]


@contextmanager
def talking(address: str, first: Any = INITIATION) -> Iterator[Talk]:
    with connect(address, proxy=None, close_timeout=1) as socket:
        talk = Talk(socket)
        if first is not None:
            talk.send(first)
        yield talk


def signed(sim: Caller, agent_id: str = AGENT, **more: Any) -> str:
    url = sim.get("/v1/convai/conversation/get-signed-url", agent_id=agent_id, **more)["signed_url"]
    return str(url)


def public(sim: Caller, agent_id: str = AGENT) -> str:
    return f"{sim.url.replace('http', 'ws')}/v1/convai/conversation?agent_id={agent_id}"


def behave(sim: Caller, **script: Any) -> None:
    sim.post("/_sim/sockets", {"*": {**QUICK, **script}})


def change(sim: Caller, agent_id: str = AGENT, **body: Any) -> None:
    assert sim.http.patch(f"/v1/convai/agents/{agent_id}", json=body).status_code == 200


def timeline(sim: Caller, conversation_id: str) -> Any:
    return sim.get("/_sim/sockets", conversation_id=conversation_id)["conversations"][0]["events"]


def marks(sim: Caller, conversation_id: str, what: str) -> list[Json]:
    return [event for event in timeline(sim, conversation_id) if event["what"] == what]


@pytest.fixture(autouse=True)
def quick(sim: Caller) -> None:
    behave(sim)


# --- Speaking ------------------------------------------------------------------------------------


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


# --- Listening -----------------------------------------------------------------------------------


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


# --- Who may come in -----------------------------------------------------------------------------


def test_a_public_agent_needs_no_signature(sim: Caller) -> None:
    with talking(public(sim)) as talk:
        talk.until("agent_response")


def test_a_private_agent_needs_one(sim: Caller) -> None:
    change(sim, platform_settings={"auth": {"enable_auth": True}})
    with talking(public(sim)) as talk:
        assert talk.close_code() == 1008
    with talking(signed(sim)) as talk:
        talk.until("agent_response")


def test_an_address_that_opens_nothing_is_closed_with_1008(sim: Caller) -> None:
    other = "agent_7101k5zvyjhmfg983brhmhkd98n6"
    used = signed(sim, include_conversation_id=True)
    with talking(used) as talk:
        assert talk.until("conversation_initiation_metadata")["conversation_id"] in used
    stale = signed(sim)
    sim.post("/_sim/sockets/expire")
    for address in (
        used,
        stale,
        public(sim, "agent_nowhere"),
        public(sim) + "&conversation_signature=cvtkn_0",
        signed(sim).replace(AGENT, other),
    ):
        with talking(address) as talk:
            assert talk.close_code() == 1008


def test_each_account_is_a_world_of_its_own(sim: Caller) -> None:
    elsewhere = Caller(sim.url, key="sk_acct_other_1")
    with talking(signed(elsewhere)) as talk:
        conversation_id = talk.until("conversation_initiation_metadata")["conversation_id"]
        assert elsewhere.conversation(conversation_id)["status"] == "in-progress"
        assert sim.http.get(f"/v1/convai/conversations/{conversation_id}").status_code == 404
    elsewhere.http.close()


def test_conversations_take_lines_of_the_account(sim: Caller) -> None:
    sim.post("/_sim/accounts", {"default": {"concurrency": 1}})
    with talking(signed(sim)) as talk:
        talk.until("conversation_initiation_metadata")
        assert sim.get("/v1/convai/analytics/live-count")["count"] == 1
        with talking(signed(sim)) as second:
            assert second.close_code() == 3008
    eventually(lambda: sim.get("/_sim/state")["in_flight"] == 0)
    with talking(signed(sim)) as talk:
        talk.until("conversation_initiation_metadata")


def test_handshakes_fail_on_order(sim: Caller) -> None:
    sim.faults({"fault": "service_unavailable", "endpoint": "conversation.socket", "times": 1})
    with pytest.raises(InvalidStatus) as refused, talking(signed(sim)):
        pass
    assert refused.value.response.status_code == 503
    with talking(signed(sim)) as talk:
        talk.until("conversation_initiation_metadata")


# --- How it ends ---------------------------------------------------------------------------------


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


# --- The official SDK ----------------------------------------------------------------------------


class Headset(AudioInterface):
    """What the SDK plays, and a microphone that a test speaks into."""

    def __init__(self) -> None:
        self.played: list[bytes] = []
        self.interruptions = 0
        self.speak: Callable[[bytes], None] = lambda _pcm: None
        self.on = threading.Event()

    def start(self, input_callback: Callable[[bytes], None]) -> None:
        self.speak = input_callback
        self.on.set()

    def stop(self) -> None:
        self.on.clear()

    def output(self, audio: bytes) -> None:
        self.played.append(audio)

    def interrupt(self) -> None:
        self.interruptions += 1


@pytest.fixture
def sdk(sim: Caller) -> Iterator[ElevenLabs]:
    with httpx.Client(timeout=10, verify=False) as client:
        yield ElevenLabs(api_key=KEY, base_url=sim.url, httpx_client=client)


@pytest.mark.parametrize("requires_auth", [True, False])
def test_the_official_sdk_holds_a_conversation(sdk: ElevenLabs, sim: Caller, requires_auth: bool) -> None:
    behave(sim, words_per_second=8, hears=["One moment."], replies=["Certainly."])
    headset, pinged = Headset(), list[int]()
    heard, said, corrected = list[str](), list[str](), list[str]()
    talk = SdkConversation(
        sdk,
        AGENT,
        user_id="ada",
        requires_auth=requires_auth,
        audio_interface=headset,
        config=ConversationInitiationData(dynamic_variables={"name": "Ada"}),
        callback_agent_response=said.append,
        callback_user_transcript=heard.append,
        callback_agent_response_correction=lambda _original, now: corrected.append(now),
        callback_latency_measurement=pinged.append,
    )
    talk.start_session()  # type: ignore[no-untyped-call]
    assert headset.on.wait(3)
    eventually(lambda: len(headset.played) >= 2)
    headset.speak(tone(0.25) + bytes(6400))
    eventually(lambda: said[1:] == ["Certainly."])
    eventually(lambda: pinged)
    talk.send_user_message("Thanks.")
    eventually(lambda: len(said) == 3)
    talk.end_session()  # type: ignore[no-untyped-call]
    conversation_id = str(talk.wait_for_session_end())
    assert heard == ["One moment."]
    assert headset.interruptions >= 1
    assert said[0].startswith(corrected[0])
    assert len(headset.played[0]) == 8000
    sim.settled(conversation_id)
    found = sdk.conversational_ai.conversations.get(conversation_id)
    assert gaps(found) == []
    assert found.metadata.conversation_initiation_source == "python_sdk"
    listed = sdk.conversational_ai.conversations.list(user_id="ada")
    assert gaps(listed) == []
    assert [item.conversation_id for item in listed.conversations] == [conversation_id]


def test_the_official_sdk_chats_without_sound(sdk: ElevenLabs, sim: Caller) -> None:
    said: list[str] = []
    talk = SdkConversation(sdk, AGENT, requires_auth=True, callback_agent_response=said.append)
    talk.start_session()  # type: ignore[no-untyped-call]
    eventually(lambda: said)
    talk.send_user_message("Hello.")
    eventually(lambda: len(said) == 2)
    talk.end_session()  # type: ignore[no-untyped-call]
    conversation_id = str(talk.wait_for_session_end())
    found = sim.settled(conversation_id)
    assert (found["metadata"]["text_only"], found["has_audio"]) == (True, False)
