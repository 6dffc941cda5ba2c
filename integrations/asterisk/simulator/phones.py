"""The person at the far end: speaks, listens, speaks up in between, hangs up; and remembers what it heard.

Time is counted in frames of 20 ms, so that a late tick changes nothing. Audio always runs in real time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import sounds
from .numbers import Story
from .sounds import FRAME_MS

RATE = 8000  # what is kept; telephones hear no more
_HELLO_AFTER, _HELLO, _REPLY, _PATIENCE = 600, 400, 1600, 8000
_ENOUGH, _PAUSE, _QUIET = 200, 900, 300
_DELAY, _BUFFER = 2, 10  # frames
_RINGBACK_HZ, _BEEP_HZ, _TONE_HZ = 425, 1000, 440
_GREETING, _BEEP = 4000, 400


@dataclass
class BargeIn:
    """Somebody spoke up: when, and how long it went on hearing the other side (None: it never fell silent)."""

    at_ms: int
    silent_after_ms: int | None = None
    last_loud_ms: int = 0


@dataclass
class Track:
    """One direction: the sound, where it was loud, and how much of it is kept."""

    keep: int
    pcm: bytearray = field(default_factory=bytearray)
    spans: list[list[int]] = field(default_factory=list)

    def add(self, at_ms: int, frame: bytes | None, *, loud: bool) -> None:
        if len(self.pcm) < self.keep:
            self.pcm += frame if frame is not None else sounds.silence(RATE)
        if loud:
            if self.spans and at_ms - self.spans[-1][1] <= _QUIET:
                self.spans[-1][1] = at_ms + FRAME_MS
            else:
                self.spans.append([at_ms, at_ms + FRAME_MS])


class Phone:
    """A leg of a channel. `hang_up` is called when this person has had enough."""

    rate = RATE

    def __init__(self, story: Story, *, keep_secs: int, hang_up: Callable[[], None]) -> None:
        self.story = story
        self.answered = False
        self.at_ms = 0
        self.heard, self.said = Track(2 * RATE * keep_secs), Track(2 * RATE * keep_secs)
        self.barge_ins: list[BargeIn] = []
        self.frames_heard = 0
        self.overruns = 0
        self._hang_up = hang_up
        self._jitter: list[tuple[bytes, int]] = []
        self._speaks_until = 0
        self._spoken = 0
        self._turn_loud_ms = self._quiet_ms = self._idle_ms = 0
        self._barged = False

    def answer(self) -> None:
        self.answered, self.at_ms = True, 0

    def give(self, pcm: bytes, rate: int) -> None:
        """Into the jitter buffer: 200 ms, what comes faster is lost."""
        if len(self._jitter) >= _BUFFER:
            self.overruns += 1
        else:
            self._jitter.append((pcm, rate))

    def take(self, rate: int) -> bytes | None:
        if not self.answered:
            return self._ringback(rate)
        self._listen()
        self._decide()
        frame = self._speak(rate)
        self.at_ms += FRAME_MS
        return frame

    def close(self) -> None:
        self._jitter.clear()

    def shown(self) -> dict[str, Any]:
        return {
            "answered": self.answered,
            "secs": self.at_ms / 1000,
            "frames_heard": self.frames_heard,
            "overruns": self.overruns,
            "heard": self.heard.spans,
            "said": self.said.spans,
            "barge_ins": [{"at_ms": one.at_ms, "silent_after_ms": one.silent_after_ms} for one in self.barge_ins],
        }

    def _ringback(self, rate: int) -> bytes | None:
        if not self.story.early_media:
            return None
        self.at_ms += FRAME_MS
        return sounds.piece(sounds.tone(_RINGBACK_HZ, rate), self.at_ms, rate)

    def _listen(self) -> None:
        frame = None
        while self._jitter:
            pcm, rate = self._jitter.pop(0)
            frame = sounds.at_rate(pcm, rate, RATE)
            self.frames_heard += 1
            if len(self._jitter) < _DELAY or sounds.is_loud(frame):
                break  # else: the buffer has grown; in silence it shrinks again, as a telephone's does
        loud = frame is not None and sounds.is_loud(frame)
        self.heard.add(self.at_ms, frame, loud=loud)
        if loud:
            self._turn_loud_ms += FRAME_MS
            self._quiet_ms = self._idle_ms = 0
        else:
            self._quiet_ms += FRAME_MS
            self._idle_ms += FRAME_MS
        self._follow_barge_in(loud)

    def _follow_barge_in(self, loud: bool) -> None:
        if not self.barge_ins or self.barge_ins[-1].silent_after_ms is not None:
            return
        one = self.barge_ins[-1]
        if loud:
            one.last_loud_ms = self.at_ms + FRAME_MS
        elif self._quiet_ms >= _QUIET:
            one.silent_after_ms = max(0, one.last_loud_ms - one.at_ms)

    def _decide(self) -> None:
        """Whether to begin to speak now."""
        if self.story.manner not in ("talk", "barge_in") or self.at_ms < self._speaks_until:
            return
        if self._spoken == 0 and self.at_ms >= _HELLO_AFTER and self._turn_loud_ms == 0:
            self._begin(_HELLO)
        elif self._wants_to_barge_in():
            self._barged = True
            self.barge_ins.append(BargeIn(self.at_ms, last_loud_ms=self.at_ms))
            self._begin(_REPLY)
        elif self._turn_loud_ms >= _ENOUGH and self._quiet_ms >= _PAUSE:
            self._barged = False
            self._begin(_REPLY)
        elif self._spoken and self._idle_ms >= _PATIENCE:
            self._begin(_HELLO)

    def _wants_to_barge_in(self) -> bool:
        return (
            self.story.manner == "barge_in"
            and not self._barged
            and self._quiet_ms == 0
            and self._turn_loud_ms >= 1000 * self.story.barge_in_secs
        )

    def _begin(self, length_ms: int) -> None:
        self._speaks_until = self.at_ms + length_ms
        self._spoken += 1
        self._turn_loud_ms = self._idle_ms = 0

    def _speak(self, rate: int) -> bytes:
        """What it says in these 20 ms; a telephone sends silence too."""
        loop = self._sound(rate)
        frame = sounds.silence(rate) if loop is None else sounds.piece(loop, self.at_ms, rate)
        self.said.add(self.at_ms, sounds.at_rate(frame, rate, RATE), loud=loop is not None)
        had_enough = self.story.turns is not None and self._spoken >= self.story.turns
        if had_enough and self.at_ms + FRAME_MS >= self._speaks_until:
            self._hang_up()
        return frame

    def _sound(self, rate: int) -> bytes | None:
        if self.story.manner == "tone":
            return sounds.tone(self.story.tone_hz or _TONE_HZ, rate)
        if self.story.manner == "machine":
            if self.at_ms < _GREETING:
                return sounds.speech(self.story.voice, rate)
            return sounds.tone(_BEEP_HZ, rate) if self.at_ms < _GREETING + _BEEP else None
        if self.at_ms >= self._speaks_until:
            return None
        return sounds.tone(self.story.tone_hz, rate) if self.story.tone_hz else sounds.speech(self.story.voice, rate)
