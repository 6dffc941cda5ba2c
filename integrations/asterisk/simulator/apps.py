"""Stasis applications: whose events go to which socket, and what happens when a second one asks for them."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import orjson

Json = dict[str, Any]
ASTERISK_ID = "02:00:00:00:00:01"


def timestamp(at: float | None = None) -> str:
    """As in every event: milliseconds, +0000."""
    moment = datetime.fromtimestamp(time.time() if at is None else at, tz=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"


class EventSocket:
    """One events WebSocket. What is put into `outgoing` is sent in order; None closes it."""

    def __init__(self) -> None:
        self.outgoing: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.muted = False
        self.closed = False

    def send(self, message: Json) -> None:
        """Written into the wind where the connection is half dead."""
        if not (self.muted or self.closed):
            self.outgoing.put_nowait(orjson.dumps(message))

    def close(self) -> None:
        self.closed = True
        self.outgoing.put_nowait(None)


class Apps:
    """Every application that ever had a socket. One without a socket loses its events: nothing is replayed."""

    def __init__(self) -> None:
        self.sockets: dict[str, EventSocket | None] = {}

    def attach(self, name: str, socket: EventSocket) -> None:
        """`socket` takes the application over; the former one hears so and then nothing, but stays open."""
        former = self.sockets.get(name)
        if former is not None and former is not socket:
            self.tell(name, "ApplicationReplaced")
        self.sockets[name] = socket

    def detach(self, socket: EventSocket) -> None:
        for name, current in self.sockets.items():
            if current is socket:
                self.sockets[name] = None

    def hears(self, name: str) -> bool:
        """Whether the application has a socket; a muted one counts, as a half-open connection does."""
        return self.sockets.get(name) is not None

    def tell(self, name: str, kind: str, **fields: Any) -> None:
        """An event for application `name`."""
        message = {
            "type": kind,
            "timestamp": timestamp(),
            **fields,
            "asterisk_id": ASTERISK_ID,
            "application": name,
        }
        socket = self.sockets.get(name)
        if socket is not None:
            socket.send(message)

    def drop(self, name: str | None = None) -> int:
        """Close the sockets of one application or of all; how many there were."""
        chosen = {one for key, one in self.sockets.items() if one is not None and name in (None, key)}
        for socket in chosen:
            self.detach(socket)
            socket.close()
        return len(chosen)

    def mute(self, muted: bool, name: str | None = None) -> int:
        """Let the sockets stay open and say nothing, or speak again."""
        chosen = {one for key, one in self.sockets.items() if one is not None and name in (None, key)}
        for socket in chosen:
            socket.muted = muted
        return len(chosen)
