"""A person and an agent joined: what each hears, how quickly an interruption silences, how either end ends both."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

import pytest

from integrations.calls import Outcome, Phase
from telephony.voice.legs.base import Leg
from telephony.voice.notes import Ending, Notes
from telephony.voice.recorder import Recorder
from telephony.voice.session import Session
from telephony.voice.speech import Speech
from telephony.voice.threads import encoding
from tests.simulator.helpers import mp3_info
from tests.voice.agents import ScriptedAgent, scripted_agent
from tests.voice.asterisk import AudioSocketCaller, Caller, MediaSocketCaller, audio_socket, media_socket
from tests.voice.sounds import loudness, share_of_tone, tone

AGENT_HZ, CALLER_HZ = 700, 440
LOUD = bytes([0, 32]) * 16000  # a second of it
LEGS = pytest.mark.parametrize("leg", [media_socket, audio_socket])
Legs = Callable[[], AbstractAsyncContextManager[tuple[Any, Leg]]]


def asynchronous(test: Callable[..., Any]) -> Callable[..., None]:
    """Run a test in an event loop of its own."""

    @wraps(test)
    def run(*args: Any, **named: Any) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **named), 30))

    return run


@dataclass
class Joined:
    """A conversation that is going on."""

    caller: Caller
    agent: ScriptedAgent
    session: Session
    running: asyncio.Task[Ending]


@asynccontextmanager
async def joined(legs: Legs, **formats: str) -> AsyncIterator[Joined]:
    async with legs() as (caller, leg), scripted_agent(**formats) as agent:
        session = Session(
            call_id="call_1",
            leg=leg,
            agent=agent,
            notes=Notes(phase=Phase.IN_PROGRESS, clock=asyncio.get_running_loop().time),
            recorder=lambda rate: Recorder(rate=rate, threads=encoding),
        )
        running = asyncio.ensure_future(session.run())
        await until(lambda: session.recorder is not None or running.done())
        try:
            yield Joined(caller, agent, session, running)
        finally:
            session.end("test")
            await running
            await session.close_leg()
            if session.recorder is not None:
                session.recorder.discard()


async def until(is_so: Callable[[], object], *, within: float = 10) -> None:
    async with asyncio.timeout(within):
        while not is_so():
            await asyncio.sleep(0.005)


def ends_with(sound: bytearray, hertz: float, *, rate: int) -> bool:
    """Whether the last 200 ms are that tone."""
    last = bytes(sound[-2 * rate // 5 :])
    return loudness(last) > 1000 and share_of_tone(last, hertz, rate=rate) > 0.8


@LEGS
@asynchronous
async def test_each_hears_what_the_other_says(leg: Legs) -> None:
    async with joined(leg) as call:
        await call.agent.say(tone(AGENT_HZ, 0.6), event_id=1)
        call.caller.says += tone(CALLER_HZ, 0.6, rate=call.caller.rate)
        await until(lambda: ends_with(call.caller.ear, AGENT_HZ, rate=call.caller.rate))
        await until(lambda: ends_with(call.agent.heard, CALLER_HZ, rate=16000))
        assert share_of_tone(bytes(call.caller.ear), CALLER_HZ, rate=call.caller.rate) < 0.1
    assert call.agent.frames[0]["user_id"] == "call_1"


@pytest.mark.parametrize("name", ["ulaw_8000", "pcm_8000", "pcm_24000", "pcm_44100"])
@asynchronous
async def test_every_format_of_an_agent_is_understood(name: str) -> None:
    rate = int(name.partition("_")[2])
    async with joined(media_socket, speaks=name, hears=name) as call:
        sound = tone(AGENT_HZ, 0.6, rate=rate)
        await call.agent.say(encoded(sound) if name == "ulaw_8000" else sound, event_id=1)
        call.caller.says += tone(CALLER_HZ, 0.6)
        await until(lambda: ends_with(call.caller.ear, AGENT_HZ, rate=16000))
        await until(lambda: ends_with(bytearray(decoded(call.agent.heard, name)), CALLER_HZ, rate=rate))


@LEGS
@asynchronous
async def test_an_interruption_silences_the_ear_within_150_ms(leg: Legs) -> None:
    async with joined(leg) as call:
        rate = call.caller.rate
        await call.agent.say(tone(AGENT_HZ, 10), event_id=1)
        await until(lambda: ends_with(call.caller.ear, AGENT_HZ, rate=rate))
        before = len(call.caller.ear)
        await call.agent.send("interruption", event_id=2)
        await call.agent.say(tone(AGENT_HZ, 1), event_id=2)  # said before it was interrupted, and late
        await until(lambda: len(call.caller.ear) > before + 2 * rate)
        loud = [place for place in range(before, before + 2 * rate, rate // 25) if loud_at(call.caller, place)]
        assert (max(loud, default=before) - before) / 2 / rate < 0.15
        await call.agent.say(tone(CALLER_HZ, 0.5), event_id=3)
        await until(lambda: ends_with(call.caller.ear, CALLER_HZ, rate=rate))


@asynchronous
async def test_flushing_is_followed_by_buffering_anew() -> None:
    async with joined(media_socket) as call:
        caller = call.caller
        assert isinstance(caller, MediaSocketCaller)
        await call.agent.send("interruption", event_id=2)
        await until(lambda: len(caller.commands) == 3)
        assert caller.commands == ["START_MEDIA_BUFFERING", "FLUSH_MEDIA", "START_MEDIA_BUFFERING"]
        assert caller.subprotocol == "media"


@asynchronous
async def test_silence_follows_a_flush_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asterisk's resampler keeps the end of a sound until something follows it: the caller would hear it late."""
    monkeypatch.setattr("telephony.voice.legs.media_socket.AHEAD_SECS", 20.0)  # the next would be due after ten
    monkeypatch.setattr("telephony.voice.legs.media_socket._MOST", 1_000_000)
    async with joined(media_socket) as call:
        caller = call.caller
        assert isinstance(caller, MediaSocketCaller)
        await call.agent.say(LOUD * 30, event_id=1)
        await until(lambda: len(caller.queue) > len(LOUD) * 15)
        await call.agent.send("interruption", event_id=1)
        await until(lambda: "FLUSH_MEDIA" in caller.commands and caller.queue, within=5)
        assert loudness(bytes(caller.queue)) == 0


@asynchronous
async def test_a_full_queue_at_asterisk_is_waited_for() -> None:
    async with joined(media_socket) as call:
        caller = call.caller
        assert isinstance(caller, MediaSocketCaller)
        await caller.tell("MEDIA_XOFF")
        await until(lambda: not caller.queue)
        await asyncio.sleep(0.1)
        await call.agent.say(tone(AGENT_HZ, 1), event_id=1)
        await asyncio.sleep(0.2)
        assert loudness(bytes(call.caller.ear)) == 0
        await caller.tell("MEDIA_XON")
        await until(lambda: ends_with(call.caller.ear, AGENT_HZ, rate=16000))


@pytest.mark.parametrize("ticks", range(5))
@asynchronous
async def test_whoever_waits_for_speech_ends_when_told_to_though_it_comes_at_that_moment(ticks: int) -> None:
    speech = Speech(rate=16000)
    waits = asyncio.ensure_future(speech.changed(within=10))
    for _ in range(5):
        await asyncio.sleep(0)
    await speech.put(LOUD)
    for _ in range(ticks):
        await asyncio.sleep(0)
    told_in_time = waits.cancel()
    await asyncio.wait([waits])
    assert waits.cancelled() is told_in_time


@LEGS
@asynchronous
async def test_a_silent_agent_is_heard_as_silence(leg: Legs) -> None:
    async with joined(leg) as call:
        await until(lambda: len(call.caller.ear) > call.caller.rate)
        assert loudness(bytes(call.caller.ear)) == 0
        if isinstance(call.caller, AudioSocketCaller):
            assert call.caller.other_kinds == []


@LEGS
@asynchronous
async def test_a_caller_who_hangs_up_ends_the_agents_conversation(leg: Legs) -> None:
    async with joined(leg) as call:
        await call.caller.hang_up()
        ending = await call.running
        await asyncio.wait_for(call.agent.gone.wait(), 5)
    assert ending == Ending(outcome=Outcome.ANSWERED, reason="", why="caller_left")


@LEGS
@asynchronous
async def test_an_agent_that_hangs_up_is_heard_to_its_last_word(leg: Legs) -> None:
    async with joined(leg) as call:
        await call.agent.say(tone(AGENT_HZ, 0.5) + tone(CALLER_HZ, 0.5), event_id=1)
        await call.agent.close()
        ending = await call.running
        await call.session.close_leg()
        await asyncio.wait_for(call.caller.gone.wait(), 5)
        assert ends_with(bytearray(bytes(call.caller.ear).rstrip(b"\0")), CALLER_HZ, rate=call.caller.rate)
    assert ending == Ending(outcome=Outcome.ANSWERED, reason="", why="agent_left")


@asynchronous
async def test_an_agent_that_fails_is_told_with_its_reason() -> None:
    async with joined(media_socket) as call:
        await call.agent.close(1002)
        ending = await call.running
    assert (ending.outcome, ending.reason, ending.why) == (Outcome.ANSWERED, "provider_busy", "agent_left")


@asynchronous
async def test_tools_are_refused_and_pings_answered() -> None:
    async with joined(media_socket) as call:
        await call.agent.send("client_tool_call", tool_name="book", tool_call_id="t1", parameters={})
        await call.agent.send("ping", event_id=7)
        await until(lambda: len(call.agent.frames) == 3)
        refused, pong = call.agent.frames[1:]
        assert (refused["type"], refused["tool_call_id"], refused["is_error"]) == ("client_tool_result", "t1", True)
        assert pong == {"type": "pong", "event_id": 7}


@asynchronous
async def test_what_is_said_is_noted_as_it_is_said_and_corrected() -> None:
    async with joined(media_socket) as call:
        await call.agent.send("agent_response", agent_response="Hello, how are you?", event_id=1)
        await call.agent.send("tentative_user_transcript", user_transcript="Fi", event_id=2)
        await call.agent.send(
            "agent_response_correction",
            original_agent_response="Hello, how are you?",
            corrected_agent_response="Hello, …",
            event_id=1,
        )
        await call.agent.send("user_transcript", user_transcript="Fine", event_id=2)
        await until(lambda: len(call.session.notes.report().transcript) == 2)
        turns = [(turn.role, turn.message) for turn in call.session.notes.report().transcript]
        assert turns == [("agent", "Hello, …"), ("user", "Fine")]
        assert call.session.notes.report().conversation_id == "conv_1"


@asynchronous
async def test_an_agent_that_takes_nothing_costs_old_sound_and_no_memory() -> None:
    async with joined(audio_socket) as call:
        call.agent.reads.clear()
        pending = call.session._unsent
        most = 0
        for _ in range(40):
            call.caller.says += tone(CALLER_HZ, 0.02, rate=8000)
            most = max(most, len(pending))
            await asyncio.sleep(0.01)
        assert most < 500_000
        call.agent.reads.set()
        call.caller.says += tone(CALLER_HZ, 1, rate=8000)
        await until(lambda: ends_with(call.agent.heard, CALLER_HZ, rate=16000))


@asynchronous
async def test_both_sides_are_on_the_recording_each_on_its_own_channel() -> None:
    async with joined(media_socket) as call:
        await call.agent.say(tone(AGENT_HZ, 1), event_id=1)
        call.caller.says += tone(CALLER_HZ, 1)
        await asyncio.sleep(1.3)
        recorder = call.session.recorder
        assert recorder is not None
        with await recorder.finish() as file:
            mp3 = file.read()
        call.session.recorder = None
    info = mp3_info(mp3)
    assert (info.channels, info.sample_rate) == (2, 16000)
    caller, agent = channels(mp3)
    assert share_of_tone(caller, CALLER_HZ) > 0.8
    assert share_of_tone(agent, AGENT_HZ) > 0.8


def channels(mp3: bytes) -> tuple[bytes, bytes]:
    """Left and right of a recording, as 16 kHz PCM."""
    import av

    left, right = bytearray(), bytearray()
    resampler = av.AudioResampler(format="s16", layout="stereo", rate=16000)
    with av.open(io.BytesIO(mp3), "r") as container:
        for frame in container.decode(audio=0):
            for part in resampler.resample(frame):
                both = bytes(part.planes[0])[: 4 * part.samples]
                left += b"".join(both[place : place + 2] for place in range(0, len(both), 4))
                right += b"".join(both[place : place + 2] for place in range(2, len(both), 4))
    return bytes(left), bytes(right)


def loud_at(caller: Caller, place: int) -> bool:
    return loudness(bytes(caller.ear[place : place + caller.rate // 25])) > 200


def encoded(pcm: bytes) -> bytes:
    from integrations.elevenlabs.simulator.sounds import FORMATS, encoded, samples_of

    wide = samples_of(b"".join(pcm[place : place + 2] * 2 for place in range(0, len(pcm), 2)), FORMATS["pcm_16000"])
    return encoded(wide, FORMATS["ulaw_8000"])


def decoded(sound: bytearray, name: str) -> bytes:
    from integrations.elevenlabs.simulator.sounds import FORMATS, samples_of

    return samples_of(bytes(sound), FORMATS[name]).tobytes()
