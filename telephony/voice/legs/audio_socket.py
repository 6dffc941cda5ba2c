"""Asterisk's AudioSocket: it connects to us and names a UUID; frames of kind, length, payload; the pace is ours."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import MappingProxyType
from uuid import UUID

from telephony.voice.legs.base import FRAME_SECS, LegGoneError, frame_bytes
from telephony.voice.speech import Speech

HANGUP, IDENTITY, ERROR = 0x00, 0x01, 0xFF
RATE_OF_KIND = MappingProxyType(
    {0x10: 8000, 0x11: 12000, 0x12: 16000, 0x13: 24000, 0x14: 32000, 0x15: 44100, 0x16: 48000}
)
KIND_OF_RATE = MappingProxyType({rate: kind for kind, rate in RATE_OF_KIND.items()})
NAMED_WITHIN = 5.0  # seconds from connecting to the frame with the UUID
CONNECTED_WITHIN = 10.0  # seconds from the order to Asterisk's connection
_LATE_SECS = 0.06  # made up for by sending faster; what is later than that would only wait in the telephone
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Kind and payload of the next frame; LegGoneError where there is none."""
    try:
        head = await reader.readexactly(3)
        return head[0], await reader.readexactly(int.from_bytes(head[1:], "big"))
    except (asyncio.IncompleteReadError, OSError):
        raise LegGoneError from None


class AudioSocketServer:
    """Where Asterisk connects. A connection that names no UUID that is expected is closed."""

    def __init__(self) -> None:
        self._expected: dict[UUID, asyncio.Future[Streams]] = {}

    def expect(self, uuid: UUID) -> asyncio.Future[Streams]:
        """Becomes the connection that names `uuid`; cancel it when it is no longer wanted."""
        future: asyncio.Future[Streams] = asyncio.get_running_loop().create_future()
        self._expected[uuid] = future
        future.add_done_callback(lambda _: self._expected.pop(uuid, None))
        return future

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """For `asyncio.start_server`."""
        try:
            async with asyncio.timeout(NAMED_WITHIN):
                kind, payload = await read_frame(reader)
        except (LegGoneError, TimeoutError):
            writer.close()
            return
        future = self._expected.get(UUID(bytes=payload)) if kind == IDENTITY and len(payload) == 16 else None
        if future is None or future.done():
            writer.close()
            return
        future.set_result((reader, writer))


class AudioSocketLeg:
    """The call whose UUID was given to Asterisk. Nothing but sound and hang-ups may be sent."""

    ahead = 0.0

    def __init__(self, *, server: AudioSocketServer, uuid: UUID, rate: int = 8000) -> None:
        self.rate = rate
        self._kind = KIND_OF_RATE[rate]
        self._connection = server.expect(uuid)
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> None:
        """Wait for Asterisk."""
        try:
            async with asyncio.timeout(CONNECTED_WITHIN):
                self._reader, self._writer = await self._connection
        except TimeoutError:
            raise LegGoneError("no_media") from None

    async def heard(self) -> bytes:
        """One 20 ms frame; DTMF is passed over."""
        if self._reader is None:
            raise LegGoneError("no_media")
        while True:
            kind, payload = await read_frame(self._reader)
            if kind == self._kind:
                return payload
            if kind in {HANGUP, ERROR}:
                raise LegGoneError

    async def play(self, speech: Speech) -> None:
        """A frame every 20 ms: speech, or silence."""
        loop = asyncio.get_running_loop()
        size = frame_bytes(self.rate)
        head = bytes([self._kind]) + size.to_bytes(2, "big")
        due = loop.time()
        while True:
            self._write(head + speech.take(size).ljust(size, b"\0"))
            due += FRAME_SECS
            left = due - loop.time()
            if left < -_LATE_SECS:
                due = loop.time()
            await asyncio.sleep(max(0.0, left))

    async def hush(self) -> None:
        """Nothing is handed over ahead of time."""

    async def close(self) -> None:
        """Hang up."""
        self._connection.cancel()
        if self._writer is None:
            return
        with suppress(LegGoneError):
            self._write(bytes([HANGUP, 0, 0]))
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    def _write(self, frame: bytes) -> None:
        if self._writer is None or self._writer.is_closing():
            raise LegGoneError
        if self._writer.transport.get_write_buffer_size() < 64 * len(frame) + 4096:  # a second: then it is dropped
            self._writer.write(frame)
