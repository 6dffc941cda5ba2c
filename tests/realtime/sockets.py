"""A client of `/ws/events` in the tests' own process: what goes in and out of the ASGI application, without a wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

from aispinner.core.models import Workspace
from telephony.realtime.consumer import EventConsumer
from telephony.realtime.rings import tell
from tests.journal.rows import make_call

HOST = "localhost"


def ring_with_call(workspace: Workspace) -> None:
    """A call, and whoever watches is told, as by the dialer."""
    make_call(workspace=workspace)
    tell(workspace.pk)


class Socket:
    """One socket; `connect`, `subscribe`, `until`, `leave`."""

    def __init__(self, *, token: str = "", ticket: str = "", origin: str = "", offered: tuple[str, ...] = ()) -> None:
        headers = [(b"host", HOST.encode())]
        headers += [(b"authorization", f"Bearer {token}".encode())] if token else []
        headers += [(b"origin", origin.encode())] if origin else []
        self.scope = {
            "type": "websocket", "scheme": "ws", "path": "/ws/events", "headers": headers, "server": (HOST, 80),
            "query_string": f"ticket={ticket}".encode() if ticket else b"", "subprotocols": list(offered),
        }  # fmt: skip
        self.said: list[dict[str, Any]] = []
        self.frames = 0
        self.closed: dict[str, Any] = {}
        self.subprotocol: str | None = None
        self.reading = asyncio.Event()
        self.reading.set()
        self._changed = asyncio.Event()
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._inbox.put_nowait({"type": "websocket.connect"})
        self.work = asyncio.ensure_future(EventConsumer.as_asgi()(self.scope, self._inbox.get, self._take))

    async def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.accept":
            self.subprotocol = message["subprotocol"]
        elif message["type"] == "websocket.close":
            self.closed = message
        else:
            await self.reading.wait()
            self.said += map(json.loads, message["text"].split("\n"))
            self.frames += 1
        self._changed.set()

    def send(self, body: object) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        self._inbox.put_nowait({"type": "websocket.receive", "text": text})

    def send_bytes(self, body: bytes) -> None:
        self._inbox.put_nowait({"type": "websocket.receive", "bytes": body})

    def server_stops(self) -> None:
        self._inbox.put_nowait({"type": "websocket.disconnect", "code": 1012})

    async def until(self, seen: Callable[[list[dict[str, Any]]], object]) -> None:
        async with asyncio.timeout(20):
            while not seen(self.said):
                self._changed.clear()
                await self._changed.wait()

    async def until_said(self, kind: str, count: int = 1) -> dict[str, Any]:
        """The `count`th message of a kind."""
        await self.until(lambda said: len(self.of(kind)) >= count)
        return self.of(kind)[count - 1]

    async def subscribe(self, workspace_id: int, since: int | None = None) -> int:
        """Follow a workspace; the version that the server answered with."""
        count = len(self.of("subscribed")) + 1
        place = {} if since is None else {"since_version": since}
        self.send({"type": "subscribe", "workspace_id": workspace_id, **place})
        return int((await self.until_said("subscribed", count))["version"])

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        """Everything of these kinds."""
        return [message for message in self.said if message["type"] in kinds]

    def told(self) -> Iterator[tuple[str, int]]:
        """Kind and version of everything that has a place."""
        for message in self.said:
            if message["type"] in {"journal.new", "journal.updated", "run.updated", "call.event"}:
                yield message["type"], message["version"]

    async def ended(self) -> dict[str, Any]:
        """The closing frame."""
        async with asyncio.timeout(20):
            await self.work
        return self.closed

    async def leave(self) -> None:
        self._inbox.put_nowait({"type": "websocket.disconnect", "code": 1000})
        async with asyncio.timeout(20):
            await self.work
