"""Requests as fast as a server answers them: connections that stay open, watched by one thread that does little.

A thread for each would take turns with all others, and what that costs is the server's processor time, too.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from selectors import EVENT_READ, DefaultSelector

CONNECTIONS = 16  # however the kernel deals them out, each of the server's processes gets some
SECONDS = 2.0
PATIENCE = 60.0  # seconds without any answer
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def get(path: str, *, token: str = "") -> bytes:
    """A GET as it goes over the wire."""
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}\r\n".encode()


def post(path: str, body: bytes, **headers: str) -> bytes:
    """A POST as it goes over the wire."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{lines}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@dataclass
class Answers:
    """How many came in how long."""

    count: int = 0
    seconds: float = 0.0

    def add(self, more: Answers) -> None:
        """Take in those of another while."""
        self.count += more.count
        self.seconds += more.seconds

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.count / self.seconds


def ask(port: int, requests: Sequence[bytes], *, seconds: float = SECONDS, connections: int = CONNECTIONS) -> Answers:
    """The answers to these requests, sent over and over for a while, and of those that were under way then."""
    return _run(port, [cycle(requests) for _ in range(connections)], seconds=seconds)


def send_all(port: int, queues: Sequence[Sequence[bytes]]) -> float:
    """Answers a second to every request, each queue over a connection of its own."""
    return _run(port, [iter(queue) for queue in queues], seconds=600).rate


class _Connection:
    """One request after the other, each when the one before has been answered."""

    def __init__(self, port: int, requests: Iterator[bytes]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._requests = requests
        self._head = b""
        self._missing = 0  # bytes of the body

    def ask(self) -> bool:
        """Send the next request; False where there is none."""
        request = next(self._requests, None)
        if request is not None:
            self.socket.sendall(request)
        return request is not None

    def read(self) -> bool:
        """Take in what has come; whether the answer is whole. AssertionError where it is none of success."""
        data = self.socket.recv(1 << 18)
        assert data, "the server has closed the connection"
        if self._missing:
            self._missing -= len(data)
            return not self._missing
        self._head += data
        end = self._head.find(b"\r\n\r\n")
        if end < 0:
            return False
        status, found = self._head[9:12], _LENGTH.search(self._head, 0, end)
        assert status.startswith(b"2"), f"answered {status!r}"
        assert found is not None, "an answer without its length"
        self._missing = int(found[1]) - (len(self._head) - end - 4)
        self._head = b""
        return not self._missing


def _run(port: int, queues: Sequence[Iterator[bytes]], *, seconds: float) -> Answers:
    answers, connections = Answers(), [_Connection(port, queue) for queue in queues]
    began = time.monotonic()
    with DefaultSelector() as selector:
        for each in connections:
            if each.ask():
                selector.register(each.socket, EVENT_READ, each)
        while selector.get_map():
            ready = selector.select(timeout=PATIENCE)
            assert ready, f"no answer within {PATIENCE:.0f} seconds"
            for key, _ in ready:
                if not key.data.read():
                    continue
                answers.count += 1
                if time.monotonic() - began > seconds or not key.data.ask():
                    selector.unregister(key.fileobj)
        answers.seconds = time.monotonic() - began
    for each in connections:
        each.socket.close()
    return answers
