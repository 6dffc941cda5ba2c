"""What the server serves in its own tests: a WSGI application that tells what it was given, a stream and a socket."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from aispinner.serving.asgi_types import Receive, Scope, Send
from aispinner.serving.bridge import WSGIBridge
from aispinner.serving.router import Router, route

LIMIT = 8 * 1024 * 1024
counts = {"produced": 0, "closed": 0}


class Endless:
    """A stream that counts what is taken from it, and that it was closed."""

    def __iter__(self) -> Iterator[bytes]:
        while True:
            counts["produced"] += 1
            yield b"x" * 65536

    def close(self) -> None:
        counts["closed"] += 1


def broken() -> Iterator[bytes]:
    """A stream that breaks off."""
    yield b"begun"
    raise RuntimeError("sk_this_must_not_be_logged")


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:  # noqa: PLR0911
    """One path, one behaviour."""
    match environ["PATH_INFO"]:
        case "/endless":
            start_response("200 OK", [("Content-Type", "application/octet-stream")])
            return Endless()
        case "/counts":
            return _json(start_response, counts)
        case "/broken":
            start_response("200 OK", [])
            return broken()
        case "/crash":
            raise RuntimeError("sk_this_must_not_be_logged")
        case "/slow":
            time.sleep(1)
            return _json(start_response, {"slow": True})
        case "/upload":
            body = environ["wsgi.input"].read()
            told = {
                "length": len(body),
                "sha256": hashlib.sha256(body).hexdigest(),
                "announced": environ["CONTENT_LENGTH"],
            }
            return _json(start_response, told)
        case "/cookies":
            start_response("200 OK", [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Content-Length", "2")])
            return [b"ok"]
    return _json(start_response, {name: value for name, value in environ.items() if isinstance(value, str)})


def _json(start_response: Callable[..., Any], value: object) -> list[bytes]:
    body = json.dumps(value).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


async def ticks(scope: Scope, receive: Receive, send: Send) -> None:
    """Server-sent events, until the client is gone or the server stops."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    gone = asyncio.ensure_future(receive())
    name = scope["url_route"]["kwargs"]["name"].encode()
    while not gone.done():
        await send({"type": "http.response.body", "body": b"data: " + name + b"\n\n", "more_body": True})
        await asyncio.wait({gone}, timeout=0.05)
    await send({"type": "http.response.body", "body": b"event: bye\ndata:\n\n", "more_body": True})


async def deaf(_scope: Scope, receive: Receive, send: Send) -> None:
    """A stream that never looks whether anybody listens."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": b"data: begun\n\n", "more_body": True})
    await asyncio.sleep(3600)


async def crashing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """Not a good stream."""
    raise RuntimeError("sk_this_must_not_be_logged")


async def echo(_scope: Scope, receive: Receive, send: Send) -> None:
    """A socket that says back what it hears."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


application = Router(
    http=WSGIBridge(wsgi, threads=2, body_limit=LIMIT),
    sockets=[route("ws/echo", echo)],
    streams=[route("ticks/<str:name>", ticks), route("deaf", deaf), route("crashing", crashing)],
)
