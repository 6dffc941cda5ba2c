"""A thousand WebSocket clients in one process: the least that RFC 6455 asks for, so that they are not what is measured.

Every message that counts holds `"seq":N,"sent":T`, T being the sender's monotonic clock in nanoseconds.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from functools import partial

_COUNTED = re.compile(rb'"seq":\s*(\d+),\s*"sent":\s*(\d+)')
_TEXT, _CLOSE = 1, 8


class Client(asyncio.Protocol):
    """One socket, which counts what it hears."""

    def __init__(self, crowd: Crowd, request: bytes) -> None:
        self._crowd = crowd
        self._request = request
        self._buffer = bytearray()
        self._open = False
        self._heard: set[int] = set()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Shake hands."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Take whole frames."""
        self._buffer += data
        if not self._open:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            assert self._buffer.startswith(b"HTTP/1.1 101"), bytes(self._buffer[:200])
            del self._buffer[: end + 4]
            self._open = True
            if self._crowd.first_words:
                self.send(self._crowd.first_words)
            else:
                self._crowd.is_there()
        self._frames()

    def _frames(self) -> None:
        buffer, at = self._buffer, 0
        while len(buffer) - at >= 2:
            length, begin = buffer[at + 1] & 127, at + 2
            if length >= 126:
                size = 2 if length == 126 else 8
                length = int.from_bytes(buffer[begin : begin + size], "big")
                begin += size
            if len(buffer) < begin + length:
                break
            opcode = buffer[at] & 15
            if opcode == _TEXT:
                self._take(bytes(buffer[begin : begin + length]))
            elif opcode == _CLOSE:
                raise AssertionError(f"closed: {bytes(buffer[begin : begin + length])!r}")
            at = begin + length
        del buffer[:at]

    def _take(self, text: bytes) -> None:
        now = time.monotonic_ns()
        for seq, sent in _COUNTED.findall(text):
            number = int(seq)
            self._crowd.hears(now - int(sent), again=number in self._heard)
            self._heard.add(number)
        if b'"subscribed"' in text:
            self._crowd.is_there()

    def send(self, text: bytes) -> None:
        """A masked frame (with a mask of zeros)."""
        assert self._transport is not None
        assert len(text) < 126
        self._transport.write(bytes([0x81, 0x80 | len(text)]) + b"\0\0\0\0" + text)

    def leave(self) -> None:
        """Go without a word."""
        if self._transport is not None:
            self._transport.abort()


def _same(client: Client) -> Client:
    return client


class Crowd:
    """All of them together."""

    def __init__(self, *, port: int, path: str, headers: Sequence[Mapping[str, str]], first_words: bytes = b"") -> None:
        """A client for each of `headers`; `first_words` is what each says, and waits to be answered."""
        self.first_words = first_words
        self.latencies: list[int] = []  # nanoseconds
        self.twice = 0
        self._port, self._path, self._headers = port, path, headers
        self._clients: list[Client] = []
        self._there = 0
        self._changed = asyncio.Event()

    async def come(self) -> None:
        """Open all sockets, a hundred at a time."""
        loop = asyncio.get_running_loop()
        for place in range(0, len(self._headers), 100):
            group = [Client(self, self._request(each)) for each in self._headers[place : place + 100]]
            self._clients += group
            await asyncio.gather(
                *(loop.create_connection(partial(_same, each), "127.0.0.1", self._port) for each in group)
            )
            await self._until(lambda: self._there >= len(self._clients), within=60)

    def leave(self) -> None:
        """Close all sockets."""
        for client in self._clients:
            client.leave()

    async def hear(self, count: int, *, within: float) -> bool:
        """Wait until `count` messages have arrived, all sockets together."""
        return await self._until(lambda: len(self.latencies) >= count, within=within)

    def is_there(self) -> None:
        """A client is ready."""
        self._there += 1
        self._changed.set()

    def hears(self, nanoseconds: int, *, again: bool) -> None:
        """A client has got a message."""
        if again:
            self.twice += 1
        else:
            self.latencies.append(nanoseconds)
            self._changed.set()

    async def _until(self, done: Callable[[], bool], *, within: float) -> bool:
        try:
            async with asyncio.timeout(within):
                while not done():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def _request(self, headers: Mapping[str, str]) -> bytes:
        lines = [
            f"GET {self._path} HTTP/1.1", "Host: localhost", "Connection: Upgrade", "Upgrade: websocket",
            "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {b64encode(os.urandom(16)).decode()}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]  # fmt: skip
        return "\r\n".join([*lines, "", ""]).encode()
