"""A WSGI application behind ASGI: a few threads do its work; a stream that is long or slow gets one of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, Any

import structlog
from django.db import close_old_connections
from django.http.response import HttpResponseBase

from aispinner.serving.answers import answer
from aispinner.serving.asgi_types import Receive, Scope, Send
from aispinner.serving.body import GoneError, TooLargeError, TooSlowError, read_body
from aispinner.serving.environ import make_environ

log = structlog.get_logger(__name__)

STREAMS = 16  # streams at once; more wait for their turn
IN_ONE_PIECE = 1024 * 1024  # bytes; a stream known to be no larger is sent as a whole
SEND_PATIENCE = 60.0  # seconds for a client to take one part

WSGIApplication = Callable[..., Iterable[bytes]]
Headers = list[tuple[bytes, bytes]]


class BrokenStreamError(Exception):
    """What was being sent broke off: the connection is dropped, so that the client knows."""


@dataclass(kw_only=True)
class Answer:
    """What the application answered: its body, or where that comes from bit by bit."""

    status: int
    headers: Headers
    body: bytes = b""
    stream: Iterable[bytes] | None = None


class WSGIBridge:
    """An ASGI application for `http` scopes that hands each request to a WSGI application in a thread."""

    def __init__(self, application: WSGIApplication, *, threads: int, body_limit: int) -> None:
        """`body_limit` in bytes: what is larger is answered with 413, unread where its length is announced."""
        self._application = application
        self._body_limit = body_limit
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="wsgi")
        self._streams = ThreadPoolExecutor(STREAMS, thread_name_prefix="stream")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            body, length = await self._body(scope, receive)
        except GoneError:
            return
        except TooLargeError:
            limit = self._body_limit // 1024 // 1024
            await answer(send, 413, f"The request is larger than {limit} MB. Send it in parts.", close=True)
            return
        except TooSlowError:
            await answer(send, 408, "The request did not arrive in time. Send it again.", close=True)
            return
        with body:
            await self._serve(scope, receive, send, body=body, length=length)

    def close(self) -> None:
        """Take no more work."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._streams.shutdown(wait=False, cancel_futures=True)

    async def _body(self, scope: Scope, receive: Receive) -> tuple[IO[bytes], int]:
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        if announced.isdigit() and int(announced) > self._body_limit:
            raise TooLargeError
        return await read_body(receive, limit=self._body_limit)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, *, body: IO[bytes], length: int) -> None:
        environ = make_environ(scope, body=body, length=length)
        loop = asyncio.get_running_loop()
        try:
            result = await loop.run_in_executor(self._threads, self._call, environ)
        except Exception as error:  # noqa: BLE001 - whatever it was, the client gets an answer
            log.error("request_crashed", error=type(error).__name__)  # noqa: TRY400 - its text may hold anything
            await answer(send, 500, "Something went wrong on our side.")
            return
        await send({"type": "http.response.start", "status": result.status, "headers": result.headers})
        if result.stream is None:
            await send({"type": "http.response.body", "body": result.body})
            return
        await _Pump(stream=result.stream, receive=receive, send=send).run(self._streams)

    def _call(self, environ: dict[str, Any]) -> Answer:
        """In a thread: run the application. What can go out in one piece is complete, and closed, when this returns."""
        started: list[tuple[str, list[tuple[str, str]]]] = []
        written: list[bytes] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Callable[[bytes], None]:
            started.append((status, headers))  # sent later, so exc_info may still replace it
            return written.append

        result = self._application(environ, start_response)
        if not started:  # a generator, which starts with its first part
            result = [*result]
        status, pairs = started[-1]
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
        answered = Answer(status=int(status.split(" ", 1)[0]), headers=headers)
        if environ["REQUEST_METHOD"] == "HEAD":
            _close(result)
        elif _is_small(result, headers):
            try:
                answered.body = b"".join([*written, *result])
            finally:
                _close(result)
        else:
            answered.stream = result
            close_old_connections()  # the stream runs, and ends, in another thread
        return answered


class _Pump:
    """Sends a stream part by part from one thread, which waits while the client is slow and stops when it is gone."""

    def __init__(self, *, stream: Iterable[bytes], receive: Receive, send: Send) -> None:
        self._stream = stream
        self._receive = receive
        self._send = send
        self._gone = threading.Event()
        self._loop = asyncio.get_running_loop()

    async def run(self, threads: ThreadPoolExecutor) -> None:
        """Send all of it."""
        watch = asyncio.ensure_future(self._watch())
        try:
            await self._loop.run_in_executor(threads, self._pump)
            await self._send({"type": "http.response.body", "body": b""})
        except GoneError:
            pass
        except Exception as error:  # noqa: BLE001 - whatever broke it
            log.error("stream_crashed", error=type(error).__name__)  # noqa: TRY400 - its text may hold anything
            raise BrokenStreamError from None
        finally:
            watch.cancel()

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone.set()

    def _pump(self) -> None:
        try:
            for part in self._stream:
                if self._gone.is_set():
                    raise GoneError
                if part:
                    asyncio.run_coroutine_threadsafe(self._part(part), self._loop).result()
        finally:
            _close(self._stream)

    async def _part(self, part: bytes) -> None:
        try:
            async with asyncio.timeout(SEND_PATIENCE):
                await self._send({"type": "http.response.body", "body": part, "more_body": True})
        except TimeoutError as error:
            raise GoneError from error


def _is_small(result: Iterable[bytes], headers: Headers) -> bool:
    if isinstance(result, (list, tuple)) or (isinstance(result, HttpResponseBase) and not result.streaming):
        return True
    length = next((value for name, value in headers if name == b"content-length"), b"")
    return length.isdigit() and int(length) <= IN_ONE_PIECE


def _close(result: Iterable[bytes] | Iterator[bytes]) -> None:
    close = getattr(result, "close", None)
    if close is not None:
        close()
