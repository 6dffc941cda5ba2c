"""Our side of an agent's conversation: events read, frames written, endings understood, and no address ever told."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from integrations.elevenlabs import conversation_events as events
from integrations.elevenlabs.client import ElevenLabsClient
from integrations.elevenlabs.conversation import Conversation, check_address, open_conversation
from integrations.errors import Answer, ProviderError, Reason
from tests.integrations.conftest import Sim
from tests.integrations.wire import closed_port

QUICK = {"words_per_second": 40, "think_ms": 10, "silence_ms": 100, "ping_secs": 0.1}


def frame(kind: str, **content: Any) -> str:
    return json.dumps({"type": kind, **content})


# --- The protocol --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("received", "event"),
    [
        (
            frame(
                "conversation_initiation_metadata",
                conversation_initiation_metadata_event={
                    "conversation_id": "conv_1",
                    "agent_output_audio_format": "ulaw_8000",
                    "user_input_audio_format": "pcm_16000",
                },
            ),
            events.Metadata(
                conversation_id="conv_1",
                agent_audio=events.AudioFormat(encoding="ulaw", rate=8000),
                user_audio=events.AudioFormat(encoding="pcm", rate=16000),
            ),
        ),
        (
            frame("audio", audio_event={"audio_base_64": "AAE=", "event_id": 3, "alignment": {"chars": []}}),
            events.Audio(event_id=3, data=b"\0\1"),
        ),
        (
            frame("agent_response", agent_response_event={"agent_response": "Hello", "event_id": 4}),
            events.AgentResponse(event_id=4, text="Hello"),
        ),
        (
            frame(
                "agent_response_correction",
                agent_response_correction_event={
                    "original_agent_response": "Hello you",
                    "corrected_agent_response": "Hello",
                    "event_id": 4,
                },
            ),
            events.Correction(event_id=4, original="Hello you", corrected="Hello"),
        ),
        (
            frame("user_transcript", user_transcription_event={"user_transcript": "Hi", "event_id": "5"}),
            events.UserTranscript(event_id=5, text="Hi"),
        ),
        (
            frame(
                "tentative_user_transcript",
                tentative_user_transcription_event={"user_transcript": "H", "event_id": 5},
            ),
            events.UserTranscript(event_id=5, text="H", tentative=True),
        ),
        (frame("interruption", interruption_event={"event_id": 6}), events.Interruption(event_id=6)),
        (frame("ping", ping_event={"event_id": 7, "ping_ms": None}), events.Ping(event_id=7)),
        (
            frame(
                "client_tool_call", client_tool_call={"tool_name": "look", "tool_call_id": "t1", "parameters": {"a": 1}}
            ),
            events.ToolCall(tool_call_id="t1", tool_name="look", parameters={"a": 1}),
        ),
        (
            frame("error", error_event={"code": 1002, "message": "exceeds your quota", "error_type": "llm_error"}),
            events.Failed(code=1002, error_type="llm_error", about_quota=True),
        ),
    ],
)
def test_events_are_read(received: str, event: events.Event) -> None:
    assert events.decode(received) == event
    assert events.decode(received.encode()) == event
    assert events.decode(json.dumps({**json.loads(received), "of_tomorrow": [1]})) == event


@pytest.mark.parametrize(
    ("received", "kind"),
    [
        (frame("aura_update", aura_update_event={}), "aura_update"),
        (frame("audio"), "audio"),
        (frame("audio", audio_event={"audio_base_64": "?", "event_id": 1}), "audio"),
        (frame("agent_response", agent_response_event={"agent_response": None}), "agent_response"),
        (frame("interruption", interruption_event=[]), "interruption"),
        ('{"type": "Strange Words +15550100123"}', ""),
        ('{"type": 7}', ""),
        ("{}", ""),
    ],
)
def test_what_is_unknown_or_incomplete_passes(received: str, kind: str) -> None:
    assert events.decode(received) == events.Unknown(kind=kind)


@pytest.mark.parametrize(
    "received",
    [
        "",
        "[]",
        "null",
        b"\xff\x00",
        "[" * 100_000,
        frame("conversation_initiation_metadata"),
        frame("conversation_initiation_metadata", conversation_initiation_metadata_event={"conversation_id": ""}),
        frame(
            "conversation_initiation_metadata",
            conversation_initiation_metadata_event={"conversation_id": "c", "agent_output_audio_format": "opus"},
        ),
    ],
)
def test_what_cannot_be_gone_on_with_is_an_error(received: str | bytes) -> None:
    with pytest.raises(ProviderError) as unreadable:
        events.decode(received)
    assert unreadable.value.reason is Reason.INVALID


def test_half_a_character_in_a_transcript_is_no_reason_to_hang_up() -> None:
    received = r'{"type": "agent_response", "agent_response_event": {"agent_response": "Oh \ud83d", "event_id": 1}}'
    assert isinstance(events.decode(received), events.AgentResponse)


def test_what_people_say_is_in_no_repr() -> None:
    said = [
        events.AgentResponse(event_id=1, text="secret"),
        events.UserTranscript(event_id=1, text="secret"),
        events.Correction(event_id=1, original="secret", corrected="secret"),
        events.ToolCall(tool_call_id="t", tool_name="n", parameters={"a": "secret"}),
    ]
    assert "secret" not in repr(said)


def test_frames_are_written() -> None:
    written = [
        events.begin(variables={"name": "Ada"}, user_id="call_1", override={"agent": {"language": "de"}}),
        events.user_audio(b"\0\1"),
        events.pong(7),
        events.user_message("Hello"),
        events.user_activity(),
        events.contextual_update("On hold."),
        events.tool_result(tool_call_id="t1", result="ok"),
    ]
    assert [json.loads(each) for each in written] == [
        {
            "type": "conversation_initiation_client_data",
            "conversation_config_override": {"agent": {"language": "de"}},
            "custom_llm_extra_body": {},
            "dynamic_variables": {"name": "Ada"},
            "user_id": "call_1",
        },
        {"user_audio_chunk": "AAE="},
        {"type": "pong", "event_id": 7},
        {"type": "user_message", "text": "Hello"},
        {"type": "user_activity"},
        {"type": "contextual_update", "text": "On hold."},
        {"type": "client_tool_result", "tool_call_id": "t1", "result": "ok", "is_error": False},
    ]


def test_an_interruption_voids_the_audio_before_it_whenever_that_comes() -> None:
    barrier = events.Barrier()
    assert barrier.lets_through(events.Audio(event_id=0, data=b""))
    barrier.interrupted(events.Interruption(event_id=5))
    barrier.interrupted(events.Interruption(event_id=3))
    assert [barrier.lets_through(events.Audio(event_id=number, data=b"")) for number in (3, 5, 6)] == [
        False,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("code", "reason", "failed", "answer", "why"),
    [
        (1002, "LLM timeout", None, Answer.UNKNOWN, Reason.PROVIDER_BUSY),
        (1002, "", events.Failed(code=1002, about_quota=True), Answer.REFUSED, Reason.QUOTA_EXHAUSTED),
        (1002, "This request exceeds your quota limit.", None, Answer.REFUSED, Reason.QUOTA_EXHAUSTED),
        (1008, "Missing required dynamic variables", None, Answer.REFUSED, Reason.INVALID),
        (1011, "", None, Answer.UNKNOWN, Reason.PROVIDER_DOWN),
        (3000, "[quota_exceeded] You've run out", None, Answer.REFUSED, Reason.QUOTA_EXHAUSTED),
        (3008, "Too many", None, Answer.NOT_DONE, Reason.NO_CAPACITY),
        (4300, "daily limit", None, Answer.NOT_DONE, Reason.NO_CAPACITY),
        (4999, "", None, Answer.UNKNOWN, Reason.PROVIDER_DOWN),
    ],
)
def test_close_codes_mean_what_the_provider_says(
    code: int, reason: str, failed: events.Failed | None, answer: Answer, why: Reason
) -> None:
    error = events.ended(code=code, reason=reason, failed=failed)
    assert error is not None
    assert (error.answer, error.reason) == (answer, why)
    assert reason not in str(error) or not reason


def test_a_good_end_is_no_error() -> None:
    assert events.ended(code=1000, reason="end_call tool was called.") is None


# --- With the simulator --------------------------------------------------------------------------


@pytest.fixture
def client(sim: Sim) -> ElevenLabsClient:
    sim.control("sockets", {"*": QUICK})
    return ElevenLabsClient(api_key="sk_test_0001")


@contextmanager
def conversing(client: ElevenLabsClient, **more: Any) -> Iterator[Conversation]:
    with open_conversation(signed_url=client.signed_url("agent_xyz"), within=3, **more) as (conversation, metadata):
        assert metadata.conversation_id.startswith("conv_")
        yield conversation


def until(conversation: Conversation, kind: type) -> Any:
    while not isinstance(event := conversation.receive(within=3), kind):
        assert event is not None
        assert not isinstance(event, events.Ended)
    return event


def refused(client: ElevenLabsClient, *, signed_url: str = "", within: float = 5) -> ProviderError:
    """How opening a conversation and listening for a while fails."""
    with (
        pytest.raises(ProviderError) as failure,
        open_conversation(signed_url=signed_url or client.signed_url("agent_xyz"), within=within) as (conversation, _),
    ):
        conversation.send(events.user_message("Hello"))
        while conversation.receive(within=3) is not None:
            pass
    return failure.value


def test_a_conversation_is_held(sim: Sim, client: ElevenLabsClient) -> None:
    sim.control("sockets", {"*": {**QUICK, "end_after": 2, "replies": ["Fine."], "fault": "strange"}})
    with conversing(client, variables={"name": "Ada"}) as conversation:
        assert until(conversation, events.AgentResponse).text.startswith("Hello Ada,")
        assert len(until(conversation, events.Audio).data) == 8000
        conversation.send(events.user_message("Good day"))
        assert until(conversation, events.Interruption)
        assert until(conversation, events.AgentResponse).text == "Fine."
        assert isinstance(until(conversation, events.Unknown), events.Unknown)
        conversation.send(events.user_message("Bye"))
        while not isinstance(event := conversation.receive(within=3), events.Ended):
            assert event is not None
        with pytest.raises(ProviderError):
            conversation.send(events.user_activity())


def test_audio_is_sent_and_heard(sim: Sim, client: ElevenLabsClient) -> None:
    sim.control("sockets", {"*": {**QUICK, "hears": ["Hello?"]}})
    loud, quiet = b"\x00\x20\x00\xe0" * 4000, bytes(6400)
    with conversing(client) as conversation:
        until(conversation, events.Audio)
        for piece in (loud, quiet):
            conversation.send(events.user_audio(piece))
        assert until(conversation, events.UserTranscript).text == "Hello?"


def test_pings_are_answered_by_the_way(sim: Sim, client: ElevenLabsClient) -> None:
    with conversing(client) as conversation:
        for _ in range(4):
            assert not isinstance(conversation.receive(within=0.15), events.Ping)
    happened = sim.get("/_sim/sockets")["conversations"][-1]["events"]
    assert [event["event_id"] for event in happened if event["what"] == "pong"]


def test_silence_is_told_from_an_end(sim: Sim, client: ElevenLabsClient) -> None:
    sim.control("sockets", {"*": {**QUICK, "fault": "silent"}})
    with conversing(client) as conversation:
        assert conversation.receive(within=0.2) is None
        assert conversation.receive(within=0) is None


@pytest.mark.parametrize(
    ("script", "reason", "code"),
    [
        ({"fault": "llm_timeout"}, Reason.PROVIDER_BUSY, "llm_timeout"),
        ({"fault": "internal_error"}, Reason.PROVIDER_DOWN, "telephony_agent_error"),
        ({"fault": "no_metadata"}, Reason.PROVIDER_DOWN, ""),
    ],
)
def test_what_fails_there_is_a_provider_error(
    sim: Sim, client: ElevenLabsClient, script: dict[str, Any], reason: Reason, code: str
) -> None:
    sim.control("sockets", {"*": {**QUICK, **script}})
    failure = refused(client, within=0.5 if script["fault"] == "no_metadata" else 5)
    assert (failure.reason, failure.code) == (reason, code)


def test_an_address_that_has_expired_is_refused(sim: Sim, client: ElevenLabsClient) -> None:
    stale = client.signed_url("agent_xyz")
    sim.control("sockets/expire", {})
    assert refused(client, signed_url=stale).reason is Reason.INVALID


def test_full_lines_and_used_up_credits_are_told_apart(sim: Sim, client: ElevenLabsClient) -> None:
    sim.fault("out_of_credits", times=1)
    assert refused(client).reason is Reason.QUOTA_EXHAUSTED
    sim.control("accounts", {"default": {"concurrency": 1}})
    with conversing(client):
        assert refused(client).reason is Reason.NO_CAPACITY


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("service_unavailable", Reason.PROVIDER_DOWN),
        ("system_busy", Reason.PROVIDER_BUSY),
        ("key_refused", Reason.KEY_REFUSED),
    ],
)
def test_a_handshake_that_fails_says_why(sim: Sim, client: ElevenLabsClient, fault: str, reason: Reason) -> None:
    sim.fault(fault, endpoint="conversation.socket")
    assert refused(client).reason is reason


def test_a_closed_port_is_not_reached(client: ElevenLabsClient) -> None:
    with closed_port() as url:
        failure = refused(client, signed_url=url.replace("http", "ws") + "/v1/convai/conversation?agent_id=a")
    assert (failure.answer, failure.reason) == (Answer.NOT_DONE, Reason.PROVIDER_DOWN)


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1/", "ws:///nowhere", "", "ws://api.elevenlabs.io/v1", "file:///etc/passwd"]
)
def test_what_is_no_address_of_the_provider_is_not_called(settings: Settings, address: str) -> None:
    settings.ELEVENLABS_BASE_URL = "https://api.elevenlabs.io"
    with pytest.raises(ProviderError):
        check_address(address)
    check_address("wss://api.us.elevenlabs.io/v1/convai/conversation?agent_id=a")


def test_the_signed_address_is_in_no_log_and_no_error(
    sim: Sim, client: ElevenLabsClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="websockets")
    signed_url = client.signed_url("agent_xyz")
    signature = signed_url.rpartition("=")[2]
    with open_conversation(signed_url=signed_url, within=3) as (conversation, _metadata):
        until(conversation, events.AgentResponse)
        assert signature not in repr(conversation)
    sim.control("sockets/expire", {})
    assert signature not in str(refused(client, signed_url=signed_url))
    assert signature not in caplog.text
