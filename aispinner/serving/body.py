"""Reading a request's body before a thread is spent on it: small ones in memory, large ones on disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, cast

from aispinner.serving.asgi_types import Message, Receive

IN_MEMORY = 1024 * 1024  # bytes
PATIENCE = 30.0  # seconds between two parts


class BodyError(Exception):
    """There is no whole body to be had."""


class GoneError(BodyError):
    """The client went away."""


class TooLargeError(BodyError):
    """The body is larger than the server takes."""


class TooSlowError(BodyError):
    """Nothing came for so long that the client is taken for dead."""


async def read_body(receive: Receive, *, limit: int, patience: float = PATIENCE) -> tuple[IO[bytes], int]:
    """The whole body, rewound, and its length in bytes; a BodyError where there is none."""
    message = await _next(receive, patience)
    first = message.get("body", b"")
    if not message.get("more_body"):
        if len(first) > limit:
            raise TooLargeError
        return BytesIO(first), len(first)
    body = cast("IO[bytes]", SpooledTemporaryFile(max_size=IN_MEMORY))  # noqa: SIM115 - closed with the request
    try:
        length = await _spool(body, first, receive, limit=limit, patience=patience)
    except BaseException:
        body.close()
        raise
    body.seek(0)
    return body, length


async def _spool(body: IO[bytes], part: bytes, receive: Receive, *, limit: int, patience: float) -> int:
    length, more = 0, True
    while True:
        length += len(part)
        if length > limit:
            raise TooLargeError
        await _write(body.write, part, on_disk=length > IN_MEMORY)
        if not more:
            return length
        message = await _next(receive, patience)
        part, more = message.get("body", b""), bool(message.get("more_body"))


async def _write(write: Callable[[bytes], int], part: bytes, *, on_disk: bool) -> None:
    if on_disk:
        await asyncio.to_thread(write, part)  # a disk may take its time; sockets and streams must not wait for it
    else:
        write(part)


async def _next(receive: Receive, patience: float) -> Message:
    try:
        async with asyncio.timeout(patience):
            message = await receive()
    except TimeoutError as error:
        raise TooSlowError from error
    if message["type"] == "http.disconnect":
        raise GoneError
    return message
