"""One conversation over the socket, in real time: the agent speaks, listens, is interrupted, answers and hangs up."""

from __future__ import annotations

import asyncio
import math
import time
from array import array
from collections.abc import Callable, Coroutine
from typing import Any, Literal

from .audio import SAMPLE_RATE
from .call_errors import OUT_OF_CREDITS, daily_limit_error
from .conversation_frames import Ending, Gone, Json, Wire, audio_in, error_event
from .conversation_voice import Line, Mouth
from .hearing import Ear, Heard
from .obstacles import start_obstacle
from .simulator import Simulator
from .small_talk import Reply, SmallTalk
from .sockets import Timeline
from .sounds import FORMATS, Track, resampled, samples_of
from .stories import Script, Turn, decide
from .world import Account, Conversation, World

_LOOK_SECS = 0.1
Medium = Literal["audio", "text"]


def live_call(world: World, agent: Json, *, conversation_id: str, client_data: Json) -> Conversation:
    """A conversation over the socket that is about to begin; its story follows from the seed and the user's id."""
    override = (client_data.get("conversation_config_override") or {}).get("conversation") or {}
    config = agent["conversation_config"]["conversation"]
    who = client_data.get("user_id") or agent["agent_id"]
    return Conversation(
        id=conversation_id,
        seq=world.next_seq(),
        agent=agent,
        number="",
        phone={},
        client_data=client_data,
        story=decide(seed=world.seed, number=f"socket:{who}", script=Script(outcome="answered")),
        requested_at=time.time(),
        started_at=time.time(),
        direction="inbound",
        text_only=bool(config["text_only"] if override.get("text_only") is None else override["text_only"]),
    )


class Session:
    """Runs from the client's first frame to the close frame. All times are seconds since the socket was accepted."""

    def __init__(self, *, sim: Simulator, account: Account, call: Conversation, wire: Wire, timeline: Timeline) -> None:
        self._sim, self._account, self._call = sim, account, call
        self._wire, self._timeline = wire, timeline
        self._script = sim.sockets.script(call.agent_id)
        self._config = call.agent["conversation_config"]
        self._hears = FORMATS[self._config["asr"]["user_input_audio_format"]]
        self._ear = Ear(self._hears, silence_ms=self._script.silence_ms)
        self._track = Track()
        self._line = Line(wire, timeline, call=call, script=self._script)
        self._mouth = Mouth(self._line, call=call, script=self._script, track=self._track, start=self._start)
        self._over: asyncio.Future[Ending | Gone] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[None]] = set()
        self._hush: asyncio.TimerHandle | None = None
        self._ignoring = False
        self._last_frame = self._line.now()

    # From beginning to end

    async def run(self) -> None:
        self._take_line()
        self._sim.sockets.opened(self._over)
        self._sim.sockets.tracks.append((self._call.id, self._track))
        ending: Ending | Gone = Ending(1011, "The simulator starts over.")
        try:
            self._check()
            self._talk = SmallTalk(self._call, self._script)
            await self._converse()
            ending = await self._over
        except Ending as refused:
            ending = refused
        except asyncio.CancelledError:
            if not self._over.cancelled():
                raise
        finally:
            for task in list(self._tasks):
                task.cancel()
            if self._hush is not None:
                self._hush.cancel()
            self._finish(ending)
        if isinstance(ending, Ending):
            await self._wire.end(ending)

    def _take_line(self) -> None:
        account, agent = self._account, self._call.agent
        of_agent = agent["platform_settings"]["call_limits"]["agent_concurrency_limit"]
        busy = account.agent_in_flight.get(self._call.agent_id, 0)
        if account.in_flight >= account.limit or 0 < of_agent <= busy:
            raise Ending(3008, "Too many concurrent connections")
        account.take_line(self._call.agent_id)
        account.keep(self._call)
        self._call.status = "in-progress"
        self._call.accepted_at = time.time()

    def _check(self) -> None:
        """Ending where the account or the agent's configuration forbid this conversation."""
        limit = self._call.agent["platform_settings"]["call_limits"]["daily_limit"]
        rule = self._sim.faults.for_dial(account=self._account.name, number="")
        fault = rule.fault if rule is not None else ""
        error = OUT_OF_CREDITS if fault == "out_of_credits" else None
        if fault == "daily_limit" or self._account.dialled(self._call.agent_id) >= limit:
            error = daily_limit_error(limit)
        error = error or start_obstacle(self._call)
        if error is not None:
            raise Ending(error["code"], error["reason"], error_type=error["error_type"])
        self._account.count_dial(self._call.agent_id, at=time.time())

    async def _converse(self) -> None:
        """Set everything going."""
        self._start(self._listen())
        self._start(self._watch())
        if self._script.fault == "no_metadata":
            return
        await self._line.send(
            "conversation_initiation_metadata",
            conversation_id=self._call.id,
            agent_output_audio_format=self._mouth.form.name,
            user_input_audio_format=self._hears.name,
        )
        self._start(self._line.ping())
        if self._script.fault != "silent" and self._talk.opening:
            interruptible = not self._config["agent"]["disable_first_message_interruptions"]
            self._mouth.answer(Reply(self._talk.opening), think_secs=0.0, interruptible=interruptible)

    def _finish(self, ending: Ending | Gone) -> None:
        call, secs = self._call, self._line.now()
        self._mouth.stop()
        self._timeline.close_code = ending.code
        self._timeline.mark("ended", code=ending.code, by="client" if isinstance(ending, Gone) else "agent")
        call.ended_at = time.time()
        call.sound = self._track.whole(math.ceil(secs))
        self._account.free_line(call.agent_id)
        if isinstance(ending, Ending) and ending.is_failure:
            event = error_event(ending)
            call.status = "failed"
            call.error = {"code": event["code"], "reason": event["message"], "error_type": event["error_type"]}
            call.duration = math.ceil(secs) if call.turns else 0
        else:
            call.status = "processing"
            call.duration = max(1, math.ceil(secs))
            talk = self._talk
            count = len(call.turns)
            call.title = talk.title if talk.finished else "Short conversation"
            call.summary = talk.summary if talk.finished else f"The agent and the user exchanged {count} messages."
            self._sim.player.analyse(self._account, call)
        left = isinstance(ending, Gone)
        call.termination_reason = f"Client disconnected: {ending.code}" if left else str(getattr(ending, "reason", ""))
        self._sim.player.wake()

    # Tasks

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` beside the rest; an Ending in it ends the conversation."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is None or self._over.done():
            return
        if isinstance(error, Ending | Gone):
            self._over.set_result(error)
        else:
            self._over.set_result(Ending(1011, "Internal error", error_type="telephony_agent_error"))
            raise error

    async def _watch(self) -> None:
        """The limits of time."""
        silence = self._config["turn"]["silence_end_call_timeout"]
        override = (self._call.client_data.get("conversation_config_override") or {}).get("conversation") or {}
        longest = override.get("max_duration_seconds") or self._config["conversation"]["max_duration_seconds"]
        while True:
            await asyncio.sleep(_LOOK_SECS)
            now = self._line.now()
            if now - self._last_frame > self._script.receive_timeout_secs:
                raise Ending(1002, "No user message received.", error_type="transport_receive_timeout")
            if now > longest:
                raise Ending(1000, "Max conversation duration exceeded.", error_type="max_duration_exceeded")
            if 0 < silence < now - self._mouth.user_at and self._mouth.speaking is None:
                raise Ending(1000, "Call ended after silence.")

    # Listening

    async def _listen(self) -> None:
        handlers: dict[str, Callable[[Json], Coroutine[Any, Any, None]]] = {
            "user_audio_chunk": self._on_audio,
            "user_message": self._on_message,
            "multimodal_message": self._on_multimodal,
            "user_activity": self._on_activity,
            "pong": self._on_pong,
        }
        while True:
            kind, frame = await self._wire.receive()
            if kind == "conversation_initiation_client_data":
                raise Ending(1008, "Invalid message: the conversation has begun", error_type="invalid_message")
            if kind != "pong":
                self._last_frame = self._line.now()
            if kind in handlers:
                await handlers[kind](frame)
            else:
                self._timeline.mark(kind, frame=frame)

    async def _on_pong(self, frame: Json) -> None:
        self._line.ponged(int(frame["event_id"]))

    async def _on_activity(self, _frame: Json) -> None:
        self._mouth.user_at = self._line.now()
        self._timeline.mark("user_activity")

    async def _on_multimodal(self, frame: Json) -> None:
        await self._on_message({"text": (frame.get("text") or {}).get("text")})

    async def _on_message(self, frame: Json) -> None:
        text = str(frame.get("text") or "").strip()
        self._mouth.user_at = self._line.now()
        if not text:
            return
        self._timeline.mark("user_message", text=text)
        await self._mouth.interrupt(by="user_message")
        await self._user_said(text, medium="text")

    async def _on_audio(self, frame: Json) -> None:
        data = audio_in(frame)
        now = self._line.now()
        samples = samples_of(data, self._hears)
        plain = resampled(samples, self._hears.rate, SAMPLE_RATE)
        self._track.hear(max(0.0, now - len(plain) / SAMPLE_RATE), plain.tobytes())
        if not self._call.text_only:
            await self._hear(samples, now)

    async def _hear(self, samples: array[int], now: float) -> None:
        if self._hush is not None:
            self._hush.cancel()
            self._hush = None
        for heard in self._ear.take(samples):
            await self._on_heard(heard)
        if self._ear.hears_speech:
            self._mouth.user_at = now
            wait = self._script.silence_ms / 1000 + len(samples) / self._hears.rate
            self._hush = asyncio.get_running_loop().call_later(wait, self._hushed)

    def _hushed(self) -> None:
        """The client sends no more audio in the middle of speech: that is silence, too."""
        heard = self._ear.hush()
        if heard is not None and not self._over.done():
            self._start(self._on_heard(heard))

    async def _on_heard(self, heard: Heard) -> None:
        self._timeline.mark(f"user_{heard.what}", audio_ms=heard.at_ms, spoke_ms=heard.spoke_ms)
        if heard.what == "began":
            self._ignoring = self._mouth.speaking is not None and not self._mouth.speaking.interruptible
            if not self._ignoring:
                await self._mouth.interrupt(by="voice", spoke_ms=heard.spoke_ms)
                self._mouth.hush()
        elif not self._ignoring:
            await self._user_said(self._talk.hear(), medium="audio", spoke_secs=heard.spoke_ms / 1000)

    async def _user_said(self, text: str, *, medium: Medium, spoke_secs: float = 0.0) -> None:
        began = max(0.0, self._line.now() - spoke_secs)
        self._call.turns.append(Turn("user", text, at=int(began), secs=spoke_secs, medium=medium))
        if self._script.fault == "llm_timeout":
            raise Ending(1002, "LLM did not respond in time.", error_type="llm_timeout")
        if self._script.fault == "internal_error":
            raise Ending(1011, "Internal error", error_type="telephony_agent_error")
        if medium == "audio":
            await self._line.send("tentative_user_transcript", user_transcript=text, event_id=self._line.next_id())
            await self._line.send("user_transcript", user_transcript=text, event_id=self._line.next_id())
        self._mouth.answer(self._talk.reply(text), think_secs=self._script.think_ms / 1000)
