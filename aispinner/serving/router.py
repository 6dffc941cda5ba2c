"""Who serves a connection: a socket, a stream, or Django; and how those that stay open end when the server stops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, cast

import structlog
from django.urls import URLPattern, path

from aispinner.serving.answers import answer, refuse_socket
from aispinner.serving.asgi_types import ASGIApplication, Message, Receive, Scope, Send
from aispinner.serving.bridge import WSGIBridge
from aispinner.serving.cors import with_cors
from aispinner.serving.loop import when_stopping

log = structlog.get_logger(__name__)

NO_SUCH_SOCKET = 4404
NORMAL = 1000
SERVICE_RESTART = 1012
INTERNAL_ERROR = 1011
GRACE = 1.0  # seconds for a connection to end by itself


def route(pattern: str, application: ASGIApplication) -> URLPattern:
    """`application` for the paths that `pattern` (as in Django's `path`) fits, without the slash in front."""
    return cast("URLPattern", path(pattern, cast("Any", application)))


class Router:
    """The ASGI application of a worker."""

    def __init__(self, *, http: WSGIBridge, sockets: Sequence[URLPattern], streams: Sequence[URLPattern]) -> None:
        """`sockets` and `streams` map paths to ASGI applications, which find what the path held in `url_route`."""
        self._http = http
        self._sockets = sockets
        self._streams = streams
        self._stopping = asyncio.Event()
        self._open: set[asyncio.Future[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or the worker's life."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        elif (stream := self._stream(scope)) is not None:
            await self._keep(_Open(stream, scope, receive, with_cors(scope, send), stopping=self._stopping))
        else:
            await self._http(scope, receive, with_cors(scope, send))

    async def _live(self, receive: Receive, send: Send) -> None:
        when_stopping(self._stopping.set)
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self._stopping.set()
                if self._open:  # granian itself does not wait for sockets
                    await asyncio.wait(set(self._open), timeout=GRACE)
                self._http.close()
                await send({"type": "lifespan.shutdown.complete"})
                return
            await send({"type": "lifespan.startup.complete"})

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = _find(self._sockets, scope)
        if socket is None:
            await receive()  # websocket.connect
            await refuse_socket(send, NO_SUCH_SOCKET, "There is no socket at this path.")
            return
        await self._keep(_Open(socket, scope, receive, send, stopping=self._stopping))

    async def _keep(self, connection: _Open) -> None:
        serving = asyncio.ensure_future(connection.serve())
        self._open.add(serving)
        serving.add_done_callback(self._open.discard)
        try:
            await serving
        finally:
            serving.cancel()

    def _stream(self, scope: Scope) -> ASGIApplication | None:
        if scope["method"] != "GET" or not _accepts_stream(scope):
            return None
        return _find(self._streams, scope)


class _Open:
    """A connection that stays open: told when the server stops, and ended in its own way when it does not listen."""

    def __init__(
        self, application: ASGIApplication, scope: Scope, receive: Receive, send: Send, *, stopping: asyncio.Event
    ) -> None:
        self._application = application
        self._scope = scope
        self._receive = receive
        self._send = send
        self._stopping = stopping
        self._started = self._finished = False
        self._pending: asyncio.Future[Message] | None = None

    async def serve(self) -> None:
        """Run the application until it ends, or until a moment after the server began to stop."""
        work = asyncio.ensure_future(self._application(self._scope, self._hear, self._say))
        stop = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((work, stop), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                await asyncio.wait({work}, timeout=GRACE)
            work.cancel()
            await asyncio.wait({work})
            crashed = None if work.cancelled() else work.exception()
            if crashed is not None:
                log.error("connection_crashed", error=type(crashed).__name__, kind=self._scope["type"])
            await self._end(crashed=crashed is not None)
        finally:
            work.cancel()
            stop.cancel()
            if self._pending is not None:
                self._pending.cancel()

    async def _hear(self) -> Message:
        """The next message; once the server stops, that the other side is gone: the cue to end."""
        if self._pending is None:
            self._pending = asyncio.ensure_future(self._receive())
        stop = asyncio.ensure_future(self._stopping.wait())
        waiting: list[asyncio.Future[Any]] = [self._pending, stop]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if self._pending.cancelled():  # we have closed it
            return {"type": "websocket.disconnect", "code": NORMAL}
        if self._pending.done():
            message, self._pending = self._pending.result(), None
            self._finished = self._finished or message["type"].endswith(".disconnect")
            return message
        if self._scope["type"] == "websocket":
            return {"type": "websocket.disconnect", "code": SERVICE_RESTART, "reason": "The server is restarting."}
        return {"type": "http.disconnect"}

    def _say(self, message: Message) -> Awaitable[None]:
        if message["type"] == "websocket.send" and not self._finished:
            return self._send(message)  # as short a way as there is: a thousand sockets go it
        return self._say_with_care(message)

    async def _say_with_care(self, message: Message) -> None:
        if self._finished:
            return
        if message["type"] == "websocket.close" and self._pending is not None:
            self._pending.cancel()  # granian would wait for the client's next message before it closes
        await self._send(message)
        self._started = True
        self._finished = message["type"] == "websocket.close" or (
            message["type"] == "http.response.body" and not message.get("more_body")
        )

    async def _end(self, *, crashed: bool) -> None:
        if self._finished:
            return
        if self._scope["type"] == "websocket":
            code, reason = (
                (INTERNAL_ERROR, "Something went wrong on our side.") if crashed else (SERVICE_RESTART, "Restarting.")
            )
            await self._say({"type": "websocket.close", "code": code, "reason": reason})
        elif self._started:
            await self._send({"type": "http.response.body", "body": b""})
        elif crashed:
            await answer(self._send, 500, "Something went wrong on our side.")
        else:
            await answer(self._send, 503, "The server is restarting. Try again in a moment.", close=True)


def _find(routes: Sequence[URLPattern], scope: Scope) -> ASGIApplication | None:
    asked = scope["path"].removeprefix("/")
    for each in routes:
        if match := each.pattern.match(asked):
            scope["url_route"] = {"args": match[1], "kwargs": {**match[2], **each.default_args}}
            return cast("ASGIApplication", each.callback)
    return None


def _accepts_stream(scope: Scope) -> bool:
    return any(name == b"accept" and b"text/event-stream" in value.lower() for name, value in scope["headers"])
