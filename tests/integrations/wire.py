"""A provider that answers what a test tells it to, over a real socket."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any
    port: int


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What to answer; `delay` and `drip` are the seconds before it, and before each byte of it.

    `fault`: `reset` breaks the connection instead, `cut` breaks it in the middle of the body.
    """

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0
    drip: float = 0
    fault: str = ""

    def bytes(self) -> bytes:
        if self.body is None:
            return b""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class Wire:
    """Replies in their order, each once, and the last one for ever; and what was asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[Asked] = []
        self._replies: list[Reply] = []

    def answers(self, *replies: Reply) -> None:
        """Answer so from now on."""
        self._replies = list(replies)

    def next(self) -> Reply:
        return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wire: Wire

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's own name
        """Say nothing."""

    def _answer(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        self.wire.asked.append(
            Asked(
                method=self.command,
                path=parts.path,
                query=parse_qs(parts.query),
                headers=dict(self.headers.items()),
                body=json.loads(raw) if raw else None,
                port=self.client_address[1],
            )
        )
        reply = self.wire.next()
        time.sleep(reply.delay)
        if reply.fault == "reset":
            self._reset()
            return
        body = reply.bytes()
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) + (100 if reply.fault == "cut" else 0)))
        self.end_headers()
        with suppress(OSError):  # the client may have had enough
            for piece in [body[at : at + 1] for at in range(len(body))] if reply.drip else [body]:
                time.sleep(reply.drip)
                self.wfile.write(piece)
        if reply.fault == "cut":
            self._reset()

    do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 - the base's own names

    def _reset(self) -> None:
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def finish(self) -> None:
        """Close quietly, also after a reset."""
        with suppress(OSError):
            super().finish()


@contextmanager
def running_wire() -> Iterator[Wire]:
    """A wire on a free port of this machine."""

    class Handler(_Handler):
        """Of this wire alone."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        wire = Handler.wire = Wire(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield wire
        server.shutdown()
        thread.join()


@contextmanager
def closed_port() -> Iterator[str]:
    """The address of a port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"
