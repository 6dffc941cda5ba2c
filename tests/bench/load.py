"""Requests as fast as a server answers them: a few connections that stay open, each in a thread that does little."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle

CONNECTIONS, SECONDS = 4, 2.0
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
    refused: list[bytes] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.count / self.seconds


def ask(port: int, requests: Sequence[bytes], *, seconds: float = SECONDS, connections: int = CONNECTIONS) -> Answers:
    """The answers to these requests, sent over and over for a while."""
    return _run(port, [cycle(requests) for _ in range(connections)], seconds=seconds)


def send_all(port: int, queues: Sequence[Sequence[bytes]]) -> float:
    """Answers a second to every request, each queue over a connection of its own."""
    return _run(port, [iter(queue) for queue in queues], seconds=600).rate


def _run(port: int, queues: Sequence[Iterator[bytes]], *, seconds: float) -> Answers:
    answers, lock = Answers(), threading.Lock()
    began = time.monotonic()

    def work(queue: Iterator[bytes]) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            count = 0
            for request in queue:
                connection.sendall(request)
                status = _read(connection)
                if not status.startswith(b"2"):
                    answers.refused.append(status)
                    break
                count += 1
                if time.monotonic() - began > seconds:
                    break
        with lock:
            answers.count += count

    threads = [threading.Thread(target=work, args=(queue,)) for queue in queues]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers.seconds = time.monotonic() - began
    assert not answers.refused, f"answered {answers.refused[0]!r}"
    return answers


def _read(connection: socket.socket) -> bytes:
    """One whole answer; its status."""
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += _some(connection)
    found = _LENGTH.search(data, 0, end)
    assert found is not None, "an answer without its length"
    missing = int(found[1]) - (len(data) - end - 4)
    while missing > 0:
        missing -= len(_some(connection))
    return data[9:12]


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(1 << 18)
    assert data, "the server has closed the connection"
    return data
