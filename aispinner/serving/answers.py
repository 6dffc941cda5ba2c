"""The few answers that are given before, or in place of, Django's."""

from __future__ import annotations

import orjson

from aispinner.serving.asgi_types import Send


async def answer(send: Send, status: int, detail: str, *, close: bool = False) -> None:
    """A whole answer in the API's shape; `close` where the rest of the request is not going to be read."""
    body = orjson.dumps({"detail": detail})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def refuse_socket(send: Send, code: int, reason: str) -> None:
    """Close a socket with a code and a reason that its client can read; only an accepted one tells them."""
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": code, "reason": reason})
