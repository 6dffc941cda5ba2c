"""The agent's side of a conversation socket: events out, numbered and timed, and the voice that can be interrupted."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from .audio import SAMPLE_RATE
from .conversation_frames import ALWAYS_SENT, Ending, Wire
from .small_talk import NUDGE, Reply, VoiceScript
from .sockets import Timeline
from .sounds import FORMATS, PIECE_SECS, Track, pieces, said
from .stories import Turn
from .world import Conversation

Start = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
_NUDGES = 2


class Line:
    """Sends events: only those that the agent's client_events have, each with an id above all before it."""

    def __init__(self, wire: Wire, timeline: Timeline, *, call: Conversation, script: VoiceScript) -> None:
        self.timeline = timeline
        self.last_id = 0
        self._wire = wire
        self._wanted = ALWAYS_SENT | set(call.agent["conversation_config"]["conversation"]["client_events"])
        self._strange = script.fault == "strange"
        self._ping_secs = script.ping_secs
        self._pings: dict[int, float] = {}
        self._ping_ms: int | None = None

    def now(self) -> float:
        """Seconds since the socket was accepted."""
        return self.timeline.elapsed()

    def next_id(self) -> int:
        self.last_id += 1
        return self.last_id

    async def send(self, kind: str, **fields: Any) -> None:
        """An event. The timeline keeps the length of audio only."""
        if kind not in self._wanted:
            return
        payload = kind.replace("user_transcript", "user_transcription") + "_event"
        unheard = {"mood": "fine"} if self._strange else {}
        kept = {**fields, "audio_base_64": len(fields["audio_base_64"])} if kind == "audio" else fields
        self.timeline.mark(kind, **kept)
        await self._wire.send({"type": kind, payload: {**fields, **unheard}, **unheard})

    async def send_parts(self, text: str, event_id: int) -> None:
        """The same words once more, as a stream of text."""
        if "agent_chat_response_part" in self._wanted:
            for kind, part in (("start", ""), ("delta", text), ("stop", "")):
                body = {"text": part, "type": kind, "event_id": event_id}
                await self._wire.send({"type": "agent_chat_response_part", "text_response_part": body})

    async def ping(self) -> None:
        """Pings for ever; `ping_ms` is what the last one took, null at first."""
        while True:
            event_id = self.next_id()
            self._pings[event_id] = self.now()
            await self.send("ping", event_id=event_id, ping_ms=self._ping_ms)
            if self._strange:
                await self._wire.send({"type": "aura_update", "aura_update_event": {"hue": "green"}})
            await asyncio.sleep(self._ping_secs)

    def ponged(self, event_id: int) -> None:
        sent = self._pings.pop(event_id, None)
        if sent is not None:
            self._ping_ms = max(1, round((self.now() - sent) * 1000))
        self.timeline.mark("pong", event_id=event_id, ping_ms=None if sent is None else self._ping_ms)


@dataclass
class Speaking:
    """What the agent is saying: begun at `began`, heard in full at `until` (seconds on the timeline)."""

    turn: Turn
    event_id: int
    began: float
    until: float
    interruptible: bool
    sent_secs: float = 0.0


class Mouth:
    """Speaks, one thing at a time. `user_at` is when the other side was last heard of."""

    def __init__(self, line: Line, *, call: Conversation, script: VoiceScript, track: Track, start: Start) -> None:
        config = call.agent["conversation_config"]
        self.speaking: Speaking | None = None
        self.user_at = line.now()
        self.form = FORMATS[config["tts"]["agent_output_audio_format"]]
        self._patience = float(config["turn"]["turn_timeout"])
        self._line, self._call, self._script, self._track, self._start = line, call, script, track, start
        self._task: asyncio.Task[None] | None = None

    def answer(self, reply: Reply, *, think_secs: float, interruptible: bool = True) -> None:
        """Have the agent say `reply` once it has thought; what it was about to say is dropped."""
        self.hush()
        self._task = self._start(self._speak(reply, think_secs, interruptible))

    def hush(self) -> None:
        """Say nothing more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def stop(self) -> Speaking | None:
        """Stop in the middle; what was being said, with its turn cut to the words that were heard."""
        speaking, self.speaking = self.speaking, None
        self.hush()
        if speaking is None:
            return None
        now, turn = self._line.now(), speaking.turn
        words = (turn.message or "").split()
        share = min(1.0, (now - speaking.began) / turn.secs) if turn.secs else 1.0
        if share < 1.0:
            turn.original, turn.message = turn.message, " ".join(words[: int(len(words) * share)])
            turn.secs = now - speaking.began
            self._track.cut(now)
        return speaking

    async def interrupt(self, **how: Any) -> None:
        """The user wants to speak: stop, and say which of the words were heard."""
        speaking = self.stop()
        if speaking is None:
            return
        turn = speaking.turn
        played, sent = round(self._line.now() - speaking.began, 3), round(speaking.sent_secs, 3)
        self._line.timeline.mark("agent_interrupted", played_secs=played, sent_secs=sent, **how)
        await self._line.send("interruption", event_id=self._line.last_id)
        if turn.original is not None:
            await self._line.send(
                "agent_response_correction",
                original_agent_response=turn.original,
                corrected_agent_response=turn.message,
                event_id=speaking.event_id,
            )

    async def _speak(self, reply: Reply, think_secs: float, interruptible: bool) -> None:
        await asyncio.sleep(think_secs)
        await self._say(reply.text, interruptible=interruptible)
        if reply.ends:
            raise Ending(1000, "end_call tool was called.")
        for _ in range(_NUDGES if self._patience > 0 else 0):
            begun = self._line.now()
            while (left := max(begun, self.user_at) + self._patience - self._line.now()) > 0:
                await asyncio.sleep(left)
            await self._say(NUDGE, interruptible=True)

    async def _say(self, text: str, *, interruptible: bool) -> None:
        """The words, then the sound of them, a little faster than it is played; returns when it has been played."""
        now = self._line.now()
        secs = 0.0 if self._call.text_only else round(0.3 + len(text.split()) / self._script.words_per_second, 2)
        turn = Turn("agent", text, at=int(now), secs=secs)
        speaking = Speaking(turn, self._line.next_id(), now, now + secs, interruptible)
        self._call.turns.append(turn)
        self.speaking = speaking
        await self._line.send("agent_response", agent_response=text, event_id=speaking.event_id)
        await self._line.send_parts(text, speaking.event_id)
        if not self._call.text_only:
            await self._play(speaking)
        self.speaking = None
        self._line.timeline.mark("agent_finished", event_id=speaking.event_id)

    async def _play(self, speaking: Speaking) -> None:
        text, secs = speaking.turn.message or "", speaking.turn.secs
        tones = tuple(self._script.tones)
        plain, step = said(text, secs, tones), 2 * int(SAMPLE_RATE * PIECE_SECS)
        for number, piece in enumerate(pieces(text, secs, self.form, tones)):
            due = speaking.began + number * PIECE_SECS * self._script.pace
            await asyncio.sleep(max(0.0, due - self._line.now()))
            speaking.sent_secs += len(piece) / self.form.bytes_per_second
            self._track.say(speaking.began + number * PIECE_SECS, plain[number * step : (number + 1) * step])
            sound = base64.b64encode(piece).decode()
            await self._line.send("audio", audio_base_64=sound, event_id=self._line.next_id())
        await asyncio.sleep(max(0.0, speaking.until - self._line.now()))
