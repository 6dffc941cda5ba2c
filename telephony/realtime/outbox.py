"""What is on its way to one socket. Who does not read as fast as things happen, is given up: rows are resumed from."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

AT_MOST = 16 * 1024 * 1024  # characters that may wait; those of one workspace are the same for all its sockets
PATIENCE = 15.0  # seconds for a client to take what was sent with one change


class SlowReaderError(Exception):
    """The client does not take what it asked for."""


class Outbox:
    """Messages in their order. `put` never waits, `room` does."""

    def __init__(self, send: Callable[[str], Awaitable[None]]) -> None:
        self._send = send
        self._waiting: deque[Sequence[str]] = deque()
        self._size = 0
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()

    def put(self, texts: Sequence[str]) -> None:
        """Send these after everything before them."""
        self._waiting.append(texts)
        self._size += sum(map(len, texts))
        self._filled.set()

    async def room(self) -> None:
        """Return when everything has been sent: for those who can read on later."""
        while self._size:
            self._emptied.clear()
            await self._emptied.wait()

    async def deliver(self) -> None:
        """Send, for ever; SlowReaderError where the client leaves too much lying, or for too long."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            while self._waiting:
                if self._size > AT_MOST:
                    raise SlowReaderError
                texts = self._waiting.popleft()
                try:
                    async with asyncio.timeout(PATIENCE):
                        for text in texts:
                            await self._send(text)
                except TimeoutError as late:
                    raise SlowReaderError from late
                self._size -= sum(map(len, texts))
            self._emptied.set()
