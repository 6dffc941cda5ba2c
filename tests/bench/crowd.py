"""A thousand WebSocket clients in one process: the least that RFC 6455 asks for, so that they are not what is measured.

Every message that counts holds `"seq":N,"sent":T`, T being the sender's monotonic clock in nanoseconds. What is there
to be read is asked for all sockets at once: a transport of asyncio's for each took several times as long as a server
that tells a thousand.
"""

from __future__ import annotations

import asyncio
import os
import re
import select
import socket
import time
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence

_COUNTED = re.compile(rb'"seq":\s*(\d+),\s*"sent":\s*(\d+)')
_TEXT, _CLOSE = 1, 8


class Client:
    """One socket, which counts what it hears."""

    def __init__(self, crowd: Crowd, port: int, request: bytes) -> None:
        self._crowd = crowd
        self._buffer = b""
        self._open = False
        self._heard: set[bytes] = set()
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(request)
        self.socket.setblocking(False)

    def read(self) -> None:
        """Take whole frames of what has come."""
        data = self.socket.recv(1 << 18)
        assert data, "the server has hung up"
        self._buffer += data
        if not self._open:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            assert head.startswith(b"HTTP/1.1 101"), head[:200]
            self._buffer, self._open = rest, True
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
            at = begin + length
            if opcode == _TEXT:
                self._take(buffer[begin:at])
            elif opcode == _CLOSE:
                raise AssertionError(f"closed: {buffer[begin:at]!r}")
        self._buffer = buffer[at:]

    def _take(self, text: bytes) -> None:
        now = time.monotonic_ns()
        for number, sent in _COUNTED.findall(text):
            self._crowd.hears(now - int(sent), again=number in self._heard)
            self._heard.add(number)
        if b'"subscribed"' in text:
            self._crowd.is_there()

    def send(self, text: bytes) -> None:
        """A masked frame (with a mask of zeros)."""
        assert len(text) < 126
        self.socket.sendall(bytes([0x81, 0x80 | len(text)]) + b"\0\0\0\0" + text)


class Crowd:
    """All of them together."""

    def __init__(self, *, port: int, path: str, headers: Sequence[Mapping[str, str]], first_words: bytes = b"") -> None:
        """A client for each of `headers`; `first_words` is what each says, and waits to be answered."""
        self.first_words = first_words
        self.latencies: list[int] = []  # nanoseconds
        self.twice = 0
        self._port, self._path, self._headers = port, path, headers
        self._clients: dict[int, Client] = {}
        self._ready = select.epoll()
        self._there = 0
        self._changed = asyncio.Event()

    async def come(self) -> None:
        """Open all sockets, a hundred at a time."""
        asyncio.get_running_loop().add_reader(self._ready.fileno(), self._read)
        for place in range(0, len(self._headers), 100):
            for headers in self._headers[place : place + 100]:
                client = Client(self, self._port, self._request(headers))
                self._clients[client.socket.fileno()] = client
                self._ready.register(client.socket, select.EPOLLIN)
            assert await self._until(lambda: self._there >= len(self._clients), within=60), "not all were let in"

    def leave(self) -> None:
        """Close all sockets, without a word."""
        asyncio.get_running_loop().remove_reader(self._ready.fileno())
        self._ready.close()
        for client in self._clients.values():
            client.socket.close()

    async def hear(self, count: int, *, within: float) -> bool:
        """Wait until `count` messages have arrived, all sockets together."""
        return await self._until(lambda: len(self.latencies) >= count, within=within)

    def is_there(self) -> None:
        """A client is ready."""
        self._there += 1

    def hears(self, nanoseconds: int, *, again: bool) -> None:
        """A client has got a message."""
        if again:
            self.twice += 1
        else:
            self.latencies.append(nanoseconds)

    def _read(self) -> None:
        for place, _ in self._ready.poll(0):
            self._clients[place].read()
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
