"""The wire in tests: what leaves this process over HTTP can be watched, answered from memory, or cut by a death."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from unittest.mock import patch

import orjson
import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

Send = Callable[[requests.PreparedRequest], requests.Response]
SUBMIT = "/v1/convai/batch-calling/submit"


class WorkerKilled(BaseException):
    """What `kill -9` looks like from inside: nothing of ours catches it, nothing is written down after it."""


@contextmanager
def over_the_wire(handle: Callable[[requests.PreparedRequest, Send], requests.Response]) -> Iterator[None]:
    """Every request goes through `handle`, which may `send` it on, answer it, hold it or die with it."""
    outer = HTTPAdapter.send

    def send(adapter: HTTPAdapter, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        return handle(request, lambda passed: outer(adapter, passed, **options))

    with patch.object(HTTPAdapter, "send", send):
        yield


def answer(request: requests.PreparedRequest, status: int, body: Any) -> requests.Response:
    """An answer that never was on a wire."""
    response = requests.Response()
    response.status_code, response.request = status, request
    response.url = str(request.url)
    response.raw = HTTPResponse(body=BytesIO(orjson.dumps(body)), status=status, preload_content=False)
    return response


@contextmanager
def dying(*, at: str, after: bool) -> Iterator[None]:
    """The worker dies at its first request to `at`: just before it is sent, or as its answer comes in."""
    alive = True

    def handle(request: requests.PreparedRequest, send: Send) -> requests.Response:
        nonlocal alive
        if not alive or at not in str(request.url):
            return send(request)
        alive = False
        if after:
            send(request)
        raise WorkerKilled

    with over_the_wire(handle):
        yield


@dataclass
class Held:
    """A request that is on its way and stays there until `let_go`."""

    arrived: threading.Event = field(default_factory=threading.Event)
    _go: threading.Event = field(default_factory=threading.Event)

    def let_go(self) -> None:
        self._go.set()

    def wait(self) -> None:
        self.arrived.set()
        assert self._go.wait(20), "nobody let go of a held request"


@contextmanager
def holding(*, at: str) -> Iterator[Held]:
    """The first request to `at` is held before it is sent; the others pass."""
    held = Held()

    def handle(request: requests.PreparedRequest, send: Send) -> requests.Response:
        if at in str(request.url) and not held.arrived.is_set():
            held.wait()
        return send(request)

    with over_the_wire(handle):
        try:
            yield held
        finally:
            held.let_go()


@contextmanager
def counting(*, at: str) -> Iterator[list[str]]:
    """The requests to `at` that were sent, as `METHOD path`."""
    seen: list[str] = []

    def handle(request: requests.PreparedRequest, send: Send) -> requests.Response:
        if at in str(request.url):
            seen.append(f"{request.method} {request.path_url}")
        return send(request)

    with over_the_wire(handle):
        yield seen
