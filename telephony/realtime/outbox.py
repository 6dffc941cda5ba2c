"""What is on its way to one socket. Who does not read as fast as things happen, is given up: rows are resumed from.

A socket costs no task and no waiting here: the end of one message's sending begins the next one's. That is what a
thousand sockets are made of.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

Message = Mapping[str, Any]  # of ASGI
AT_MOST = 16 * 1024 * 1024  # characters that may wait; those of one workspace are the same for all its sockets
FRAME = 256 * 1024  # characters, where messages share a frame; many clients take no more than a megabyte
PATIENCE = 15.0  # seconds for a client to take one message


class Parcel:
    """Messages as the server takes them; made once, and sent to any number of sockets."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = list(texts)
        self.size = sum(map(len, self._texts))

    @cached_property
    def frames(self) -> list[Message]:
        """One for each message."""
        return [{"type": "websocket.send", "text": text} for text in self._texts]

    @cached_property
    def full_frames(self) -> list[Message]:
        """As many messages in each as have room, one a line."""
        pages: list[list[str]] = [[]]
        room = FRAME
        for text in self._texts:
            if room < len(text) and pages[-1]:
                pages.append([])
                room = FRAME
            pages[-1].append(text)
            room -= len(text)
        return [{"type": "websocket.send", "text": "\n".join(page)} for page in pages]


class Outbox:
    """Messages in their order. `put` never waits; `room` does."""

    def __init__(self, send: Callable[[Message], Awaitable[None]], *, when_slow: Callable[[], object]) -> None:
        """`when_slow` is called when the client has left too much lying, or for too long."""
        self._send = send
        self._when_slow = when_slow
        self._parcels: deque[Parcel] = deque()
        self._messages: Iterator[Message] = iter(())
        self._size = 0
        self._sending: asyncio.Future[None] | None = None
        self._begun = 0.0
        self._emptied = asyncio.Event()
        self._closed = False
        self.shares_frames = False  # whether several messages may travel in one frame

    def put(self, parcel: Parcel) -> None:
        """Send this after everything before it."""
        if self._closed or not parcel.size:
            return
        self._parcels.append(parcel)
        self._size += parcel.size
        if self._sending is None:
            self._next()
        elif self._size > AT_MOST or time.monotonic() - self._begun > PATIENCE:
            self._when_slow()

    async def room(self) -> None:
        """Return when everything has been sent: for those who can read on later."""
        while self._sending is not None:
            self._emptied.clear()
            await self._emptied.wait()

    def close(self) -> None:
        """Send nothing more."""
        self._closed = True
        if self._sending is not None:
            self._sending.cancel()

    def _next(self) -> None:
        message = next(self._messages, None)
        while message is None and self._parcels:
            parcel = self._parcels.popleft()
            self._size -= parcel.size
            self._messages = iter(parcel.full_frames if self.shares_frames else parcel.frames)
            message = next(self._messages, None)
        if message is None or self._closed:
            self._sending = None
            self._emptied.set()
            return
        self._begun = time.monotonic()
        self._sending = asyncio.ensure_future(self._send(message))
        self._sending.add_done_callback(self._sent)

    def _sent(self, sending: asyncio.Future[None]) -> None:
        if sending.cancelled() or sending.exception() is not None:
            self._closed = True  # the client is gone, which whoever listens to it will hear
        self._next()
