"""What the agent is about to say, waiting to be played: bounded, emptied at once by whoever interrupts."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Protocol

LONGEST_SECS = 60.0  # agents send a sentence faster than it is spoken; this much of it waits here


class Tape(Protocol):
    """Takes down what is played."""

    def said(self, pcm: bytes, *, ahead: float) -> None:
        """`pcm` is heard `ahead` seconds from now."""

    def cut(self) -> None:
        """Nothing of what was to be heard later is."""


class Speech:
    """16-bit PCM at `rate`. One puts, one takes."""

    def __init__(self, *, rate: int, tape: Tape | None = None, longest_secs: float = LONGEST_SECS) -> None:
        self.rate = rate
        self._tape = tape
        self._limit = 2 * int(rate * longest_secs)
        self._sound = bytearray()
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    @property
    def secs(self) -> float:
        """How much waits."""
        return len(self._sound) / 2 / self.rate

    async def changed(self, *, within: float) -> None:
        """Return when something was put or all was dropped, after `within` seconds at the latest."""
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(within):  # wait_for of Python 3.11 loses a cancellation meanwhile
                await self._changed.wait()

    async def put(self, pcm: bytes) -> None:
        """Add `pcm`; waits while the buffer is full, so that the agent's socket is not read meanwhile."""
        while len(self._sound) >= self._limit:
            self._room.clear()
            await self._room.wait()
        if pcm:
            self._sound += pcm
            self._changed.set()

    def take(self, size: int, *, ahead: float = 0.0) -> bytes:
        """At most `size` bytes, to be heard `ahead` seconds from now."""
        taken = bytes(self._sound[:size])
        del self._sound[:size]
        self._room.set()
        if taken and self._tape is not None:
            self._tape.said(taken, ahead=ahead)
        return taken

    def clear(self) -> None:
        """Say nothing of it."""
        self._sound.clear()
        self._changed.set()
        self._room.set()
        if self._tape is not None:
            self._tape.cut()
