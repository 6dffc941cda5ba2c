"""Asterisk's two ways of carrying a call's sound, as far as a bridge sees them: a caller who speaks and hears."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Protocol
from uuid import UUID, uuid4

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from telephony.voice.legs.audio_socket import AudioSocketLeg, AudioSocketServer
from telephony.voice.legs.base import Leg
from telephony.voice.legs.media_socket import MediaSocketLeg

FRAME_SECS = 0.02


class Caller(Protocol):
    """`says` is sent as it is spoken, silence between; `ear` is what was played to the caller, in real time."""

    rate: int
    says: bytearray
    ear: bytearray
    gone: asyncio.Event

    async def hang_up(self) -> None: ...


class MediaSocketCaller:
    """chan_websocket: a queue of what is to be played, emptied by 20 ms frames, flushed by FLUSH_MEDIA."""

    rate = 16000

    def __init__(self) -> None:
        self.says, self.ear, self.queue = bytearray(), bytearray(), bytearray()
        self.commands: list[str] = []
        self.buffering = False
        self.gone = asyncio.Event()
        self.refuses = False
        self.subprotocol: str | None = None
        self._socket: ServerConnection | None = None

    async def carry(self, socket: ServerConnection) -> None:
        """One connection, until either side closes it."""
        self._socket, self.subprotocol = socket, socket.subprotocol
        start = {"event": "MEDIA_START", "format": "slin16", "optimal_frame_size": 640, "ptime": 20}
        await socket.send(json.dumps(start))
        ticking = asyncio.ensure_future(self._tick(socket))
        with suppress(ConnectionClosed):
            async for message in socket:
                self._take(message)
        ticking.cancel()
        self.gone.set()

    async def tell(self, event: str) -> None:
        assert self._socket is not None
        await self._socket.send(json.dumps({"event": event}))

    async def hang_up(self) -> None:
        assert self._socket is not None
        await self._socket.close()

    def _take(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            whole = message if self.buffering else message[: len(message) // 640 * 640]
            self.queue += whole
            return
        assert len(message) <= 128
        command = json.loads(message)["command"]
        self.commands.append(command)
        if command == "FLUSH_MEDIA":
            self.queue.clear()
        self.buffering = command == "START_MEDIA_BUFFERING"

    async def _tick(self, socket: ServerConnection) -> None:
        async for _ in ticks():
            self.ear += bytes(self.queue[:640]).ljust(640, b"\0")
            del self.queue[:640]
            with suppress(ConnectionClosed):
                await socket.send(bytes(self.says[:640]).ljust(640, b"\0"))
            del self.says[:640]


class AudioSocketCaller:
    """res_audiosocket: it connects to the bridge, names itself, and plays what comes as it comes."""

    def __init__(self, *, rate: int = 8000) -> None:
        self.rate = rate
        self.uuid: UUID = uuid4()
        self.says, self.ear = bytearray(), bytearray()
        self.gone = asyncio.Event()
        self.other_kinds: list[int] = []
        self._writer: asyncio.StreamWriter | None = None

    async def connect(self, port: int) -> None:
        reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        self._writer.write(b"\1\0\x10" + self.uuid.bytes + b"\3\0\0015")  # and somebody presses a key
        ticking = asyncio.ensure_future(self._tick(self._writer))
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                kind, length = (await reader.readexactly(1))[0], int.from_bytes(await reader.readexactly(2), "big")
                payload = await reader.readexactly(length)
                if kind in {0x10, 0x12}:
                    self.ear += payload
                else:
                    self.other_kinds.append(kind)
        ticking.cancel()
        self._writer.close()
        self.gone.set()

    async def hang_up(self) -> None:
        assert self._writer is not None
        self._writer.close()

    async def _tick(self, writer: asyncio.StreamWriter) -> None:
        size = int(self.rate * FRAME_SECS) * 2
        head = bytes([0x10 if self.rate == 8000 else 0x12]) + size.to_bytes(2, "big")
        async for _ in ticks():
            writer.write(head + bytes(self.says[:size]).ljust(size, b"\0"))
            del self.says[:size]


async def ticks() -> AsyncIterator[None]:
    """Every 20 ms, late ones made up for."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        yield
        due += FRAME_SECS
        await asyncio.sleep(max(0.0, due - loop.time()))


@asynccontextmanager
async def media_socket() -> AsyncIterator[tuple[MediaSocketCaller, Leg]]:
    caller = MediaSocketCaller()
    async with serve(caller.carry, "127.0.0.1", 0, subprotocols=[Subprotocol("media")]) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield caller, MediaSocketLeg(url=f"ws://127.0.0.1:{port}/media/1")


@asynccontextmanager
async def audio_socket() -> AsyncIterator[tuple[AudioSocketCaller, Leg]]:
    caller, sockets = AudioSocketCaller(), AudioSocketServer()
    async with await asyncio.start_server(sockets.connected, "127.0.0.1", 0) as server:
        leg = AudioSocketLeg(server=sockets, uuid=caller.uuid)
        calling = asyncio.ensure_future(caller.connect(server.sockets[0].getsockname()[1]))
        yield caller, leg
        calling.cancel()
