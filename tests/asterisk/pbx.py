"""A PBX that says what a test tells it to: one event socket and the REST paths that a test has written answers for."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from integrations.asterisk.client import Login
from integrations.elevenlabs.conversation import SILENT

Json = dict[str, Any]
USER, PASSWORD = "aispinner", "a pass word"


@dataclass
class ScriptedPbx:
    """`answers` maps "METHOD path" to (status, body); over HTTP and over the socket alike. None: no answer at all."""

    version: str = "22.10.1"
    answers: dict[str, tuple[int, Any] | None] = field(default_factory=dict)
    asked: list[Json] = field(default_factory=list)
    sockets: list[ServerConnection] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    refuses: int | None = None
    port: int = 0

    @property
    def login(self) -> Login:
        return Login(url=f"http://127.0.0.1:{self.port}", app="aispinner", username=USER, password=PASSWORD)

    async def tell(self, **event: Any) -> None:
        """An event to whoever is connected."""
        await self.sockets[-1].send(json.dumps(event))

    async def told(self, count: int = 1) -> None:
        """Wait until so many requests have come."""
        await eventually(lambda: len(self.asked) >= count)

    def request(self, connection: ServerConnection, request: Request) -> Response | None:
        path, _, query = request.path.partition("?")
        authorization = request.headers.get("Authorization", "").removeprefix("Basic ")
        if self.refuses is not None:
            return connection.respond(HTTPStatus(self.refuses), "{}")
        if b64decode(authorization).decode() != f"{USER}:{PASSWORD}":
            return connection.respond(HTTPStatus.UNAUTHORIZED, "{}")
        self.addresses.append(request.path)
        if path == "/ari/events":
            return None
        if path == "/ari/asterisk/info":
            return _http(200, {"system": {"version": self.version}})
        self.asked.append({"method": "GET", "uri": path.removeprefix("/ari/"), "query": query, "over": "http"})
        answer = self.answers.get(f"GET {path.removeprefix('/ari/')}", (404, {"message": "not found"}))
        return _http(*(answer or (503, {})))

    async def serve(self, socket: ServerConnection) -> None:
        self.sockets.append(socket)
        async for frame in socket:
            request = json.loads(frame)
            self.asked.append({**request, "over": "socket"})
            answer = self.answers.get(f"{request['method']} {request['uri']}", (200, {}))
            if answer is not None:
                status, body = answer
                reply = {"type": "RESTResponse", "request_id": request["request_id"], "status_code": status}
                await socket.send(json.dumps({**reply, "message_body": json.dumps(body)}))


def _http(status: int, body: Any) -> Response:
    data = json.dumps(body).encode()
    headers = Headers({"Content-Length": str(len(data)), "Connection": "close", "Content-Type": "application/json"})
    return Response(status, HTTPStatus(status).phrase, headers, data)


@asynccontextmanager
async def scripted(**fields: Any) -> AsyncIterator[ScriptedPbx]:
    """One that listens on loopback."""
    pbx = ScriptedPbx(**fields)
    server: Server
    async with serve(pbx.serve, "127.0.0.1", 0, process_request=pbx.request, logger=SILENT) as server:
        pbx.port = next(iter(server.sockets)).getsockname()[1]
        yield pbx


async def eventually(holds: Callable[[], bool]) -> None:
    """Return as soon as it does."""
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.005)  # the other side of a real socket
