"""One conversation: a person's leg on one side, an agent's socket on the other, and what is taken down of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Protocol

import structlog

from integrations.calls import Outcome, Phase
from integrations.elevenlabs.conversation_events import (
    AgentResponse,
    Audio,
    Barrier,
    Correction,
    Ended,
    Event,
    Interruption,
    Metadata,
    UserTranscript,
)
from integrations.elevenlabs.live_conversation import LiveConversation
from integrations.errors import ProviderError
from telephony.voice.legs.base import Leg, LegGoneError
from telephony.voice.notes import Ending, Notes
from telephony.voice.recorder import Recorder
from telephony.voice.sound import Convert, decoder, encoder
from telephony.voice.speech import Speech

log = structlog.get_logger(__name__)

PIECE_SECS = 0.04  # of the person's voice in one frame to the agent
UNSENT_SECS = 5.0  # of it kept while the agent's socket takes nothing; older sound is dropped
LAST_WORDS_SECS = 30.0  # how long what the agent said before it hung up is still played
AGENT_LEFT, HUNG_UP = "agent_left", "hung_up"


class Agent(Protocol):
    """How a session gets at its agent."""

    async def connect(self) -> tuple[LiveConversation, Metadata]:
        """Begin the conversation. ProviderError."""


class SessionEndedError(Exception):
    """The session is over."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.why)
        self.ending = ending


class Session:
    """`run` returns when either side has gone, or `end` was called; the leg is closed by `close_leg` after that."""

    def __init__(
        self, *, call_id: str, leg: Leg, agent: Agent, notes: Notes, recorder: Callable[[int], Recorder]
    ) -> None:
        self.call_id = call_id
        self.notes = notes
        self.recorder: Recorder | None = None
        self._leg, self._agent, self._make_recorder = leg, agent, recorder
        self._unsent = bytearray()
        self._something_unsent = asyncio.Event()
        self._barrier = Barrier()
        self._ordered: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def end(self, reason: str) -> None:
        """End it from outside."""
        if not self._ordered.done():
            self._ordered.set_result(reason)

    async def run(self) -> Ending:
        """Open both sides, join them, and tell how it ended."""
        try:
            await self._together(self._wait_for_order(), self._converse())
        except SessionEndedError as over:
            return over.ending
        raise AssertionError("a session ends by SessionEndedError")

    async def close_leg(self) -> None:
        """Hang up the person's side."""
        await self._leg.close()

    async def _converse(self) -> None:
        await self._leg_or_end(self._leg.open())
        self.notes.reached(Phase.RINGING)
        try:
            conversation, metadata = await self._agent.connect()
        except ProviderError as error:
            raise SessionEndedError(_refused(error)) from None
        self.notes.conversation(metadata.conversation_id)
        self.recorder = self._make_recorder(self._leg.rate)
        self._speech = Speech(rate=self._leg.rate, tape=self.recorder)
        hears, speaks = encoder(self._leg.rate, metadata.user_audio), decoder(metadata.agent_audio, self._leg.rate)
        try:
            await self._together(
                self._leg_or_end(self._hear(hears, self.recorder)),
                self._leg_or_end(self._leg.play(self._speech)),
                self._pass_on(conversation, size=int(metadata.user_audio.bytes_per_second * PIECE_SECS)),
                self._listen(conversation, speaks),
            )
        finally:
            await conversation.close()

    # The person's voice, to the agent

    async def _hear(self, convert: Convert, recorder: Recorder) -> None:
        most = int(UNSENT_SECS * 2 * 48000)
        while True:
            pcm = await self._leg.heard()
            recorder.heard(pcm)
            self._unsent += convert(pcm)
            if len(self._unsent) > most:
                del self._unsent[: len(self._unsent) - most]
            self._something_unsent.set()

    async def _pass_on(self, conversation: LiveConversation, *, size: int) -> None:
        while True:
            await self._something_unsent.wait()
            self._something_unsent.clear()
            if len(self._unsent) < size:
                continue
            sound = bytes(self._unsent)
            self._unsent.clear()
            with suppress(ProviderError):  # whoever listens to the agent says why
                await conversation.say(sound)

    # The agent's voice, to the person

    async def _listen(self, conversation: LiveConversation, convert: Convert) -> None:
        while True:
            try:
                event = await conversation.next()
            except ProviderError as error:
                log.warning("agent_lost", call_id=self.call_id, reason=error.reason.value)
                raise SessionEndedError(self._ending(error.reason.value, AGENT_LEFT)) from None
            if isinstance(event, Ended):
                await self._play_last_words()
                raise SessionEndedError(self._ending("", AGENT_LEFT))
            await self._on_event(event, convert)

    async def _on_event(self, event: Event, convert: Convert) -> None:
        if isinstance(event, Audio):
            if self._barrier.lets_through(event):
                self.notes.reached(Phase.IN_PROGRESS)
                await self._speech.put(convert(event.data))
        elif isinstance(event, Interruption):
            self._barrier.interrupted(event)
            self._speech.clear()
            await self._leg_or_end(self._leg.hush())
        elif isinstance(event, AgentResponse):
            self.notes.agent_said(event)
        elif isinstance(event, Correction):
            self.notes.corrected(event)
        elif isinstance(event, UserTranscript) and not event.tentative:
            self.notes.user_said(event)

    async def _play_last_words(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_SECS):
                while self._speech.secs:
                    await asyncio.sleep(self._speech.secs)
                await asyncio.sleep(self._leg.ahead)

    # The end

    async def _wait_for_order(self) -> None:
        why = await self._ordered
        raise SessionEndedError(self._ending("" if self.notes.answered and why == HUNG_UP else why, why))

    async def _leg_or_end(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except LegGoneError as gone:
            raise SessionEndedError(self._ending("" if self.notes.answered else gone.reason, gone.reason)) from None

    def _ending(self, reason: str, why: str) -> Ending:
        return Ending(outcome=Outcome.ANSWERED if self.notes.answered else Outcome.ERROR, reason=reason, why=why)

    async def _together(self, *works: Coroutine[Any, Any, None]) -> None:
        """Run side by side until one ends by an error, which is raised; the others are cancelled."""
        tasks = [asyncio.ensure_future(work) for work in works]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _refused(error: ProviderError) -> Ending:
    return Ending(outcome=Outcome.ERROR, reason=error.reason.value, why="agent_refused", settled=True)
