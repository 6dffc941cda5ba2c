"""Both sides of a call on one line of time, the caller on the left and the agent on the right, as an MP3."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable
from concurrent.futures import Executor
from tempfile import TemporaryFile
from typing import IO

import lameenc

from telephony.voice.speech import Tape

STEP_SECS = 5.0  # encoded at a time, off the event loop
LATE_SECS = 0.1  # sound that comes later than this after the one before leaves a gap, as it did in the call
BIT_RATE, QUALITY = 48, 7


class Lane:
    """One side: samples by their place in the call, until they are taken."""

    def __init__(self) -> None:
        self._from = 0
        self._sound = bytearray()

    @property
    def end(self) -> int:
        """The place behind the last sample."""
        return self._from + len(self._sound) // 2

    def write(self, place: int, pcm: bytes) -> None:
        """Put `pcm` at `place`, or behind what is there already."""
        gap = place - self.end
        if gap > 0:
            self._sound += bytes(2 * gap)
        self._sound += pcm

    def cut(self, place: int) -> None:
        """Nothing at `place` and behind it."""
        del self._sound[max(0, 2 * (place - self._from)) :]

    def take(self, until: int) -> array[int]:
        """Everything before `until`, filled up with silence."""
        size = 2 * (until - self._from)
        taken = self._sound[:size]
        del self._sound[:size]
        self._from = until
        return array("h", bytes(taken).ljust(size, b"\0"))


class Recorder(Tape):
    """Fed in real time; encodes as it goes, so that the length of a call costs no memory. Not for several threads."""

    def __init__(self, *, rate: int, threads: Executor, clock: Callable[[], float] | None = None) -> None:
        self._rate, self._threads = rate, threads
        self._clock = clock or asyncio.get_running_loop().time
        self._zero = self._clock()
        self._caller, self._agent = Lane(), Lane()
        self._done = 0
        self._encoder = _encoder(rate)
        self._file: IO[bytes] = TemporaryFile()  # noqa: SIM115 - closed by whoever keeps it
        self._busy: asyncio.Future[None] | None = None

    def heard(self, pcm: bytes) -> None:
        """The caller has just said `pcm`."""
        self._write(self._caller, self._place() - len(pcm) // 2, pcm)

    def said(self, pcm: bytes, *, ahead: float) -> None:
        """The agent's `pcm` is heard `ahead` seconds from now."""
        self._write(self._agent, self._place(ahead), pcm)

    def cut(self) -> None:
        """The agent was interrupted."""
        self._agent.cut(max(self._place(), self._done))

    async def finish(self) -> IO[bytes]:
        """The MP3, from its beginning. The caller closes it."""
        if self._busy is not None:
            await self._busy
        self._agent.cut(self._place())
        await self._encode(max(self._place(), self._done))
        loop = asyncio.get_running_loop()
        self._file.write(await loop.run_in_executor(self._threads, lambda: bytes(self._encoder.flush())))
        self._file.seek(0)
        return self._file

    def discard(self) -> None:
        """Nobody wants it."""
        self._file.close()

    def _place(self, ahead: float = 0.0) -> int:
        return int((self._clock() - self._zero + ahead) * self._rate)

    def _write(self, lane: Lane, place: int, pcm: bytes) -> None:
        late = place - lane.end > LATE_SECS * self._rate
        lane.write(place if late else lane.end, pcm)
        if self._place() - self._done > STEP_SECS * self._rate and (self._busy is None or self._busy.done()):
            self._busy = self._encode(self._place() - int(self._rate * LATE_SECS))

    def _encode(self, until: int) -> asyncio.Future[None]:
        left, right = self._caller.take(until), self._agent.take(until)
        self._done = until
        return asyncio.get_running_loop().run_in_executor(self._threads, self._store, left, right)

    def _store(self, left: array[int], right: array[int]) -> None:
        both = array("h", bytes(4 * len(left)))
        both[0::2], both[1::2] = left, right
        self._file.write(bytes(self._encoder.encode(both.tobytes())))


def _encoder(rate: int) -> lameenc.Encoder:
    encoder = lameenc.Encoder()
    encoder.set_in_sample_rate(rate)
    encoder.set_channels(2)
    encoder.set_bit_rate(BIT_RATE)
    encoder.set_quality(QUALITY)
    encoder.silence()
    return encoder
