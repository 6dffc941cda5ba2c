"""The few answers that are given before, or in place of, Django's."""

from __future__ import annotations

from uuid import uuid4

import orjson
import structlog

from aispinner.serving.asgi_types import Send

log = structlog.get_logger(__name__)


async def answer(send: Send, status: int, detail: str, *, close: bool = False) -> None:
    """A whole answer in the API's shape; `close` where the rest of the request is not going to be read."""
    request_id = str(uuid4())
    log.info("answered_before_django", code=status, request_id=request_id)
    body = orjson.dumps({"detail": detail})
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", request_id.encode()),
    ]
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def refuse_socket(send: Send, code: int, reason: str) -> None:
    """Close a socket with a code and a reason that its client can read; only an accepted one tells them."""
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": code, "reason": reason})
