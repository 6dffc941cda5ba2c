"""Django for granian's own WSGI side (`--interface wsgi`), with what that leaves out: chunked bodies and a limit.

Granian joins header names that differ in `-` and `_` only. Behind this interface, the proxy must drop those with `_`
(nginx does unless told otherwise); the combined one drops them itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any, cast

import orjson
from django.conf import settings

from aispinner.serving.body import IN_MEMORY
from aispinner.wsgi import application as django

if TYPE_CHECKING:
    from wsgiref.types import StartResponse

PART = 64 * 1024  # bytes
_OF_A_REQUEST = ("CONTENT_", "GATEWAY_", "HTTP_", "PATH_INFO", "QUERY_", "REMOTE_", "REQUEST_", "SCRIPT_", "SERVER_")
_INHERITED = [name for name in os.environ if not name.startswith(_OF_A_REQUEST)]
_LOOKALIKES = [(name, value) for name, value in os.environ.items() if name.startswith(_OF_A_REQUEST)]  # HTTP_PROXY


def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Serve one request, which shall not know our own environment: it holds secrets, and takes time to search."""
    for name in _INHERITED:
        environ.pop(name, None)
    for name, value in _LOOKALIKES:
        if environ.get(name) == value:
            del environ[name]
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0
    announced = environ.get("CONTENT_LENGTH") or ""
    if announced.isdigit() and int(announced) > limit:
        return _too_large(start_response, limit)
    if "HTTP_TRANSFER_ENCODING" not in environ:
        return django(environ, start_response)
    with cast("IO[bytes]", SpooledTemporaryFile(max_size=IN_MEMORY)) as body:
        length = _copy(environ["wsgi.input"], body, limit=limit)
        if length > limit:
            return _too_large(start_response, limit)
        del environ["HTTP_TRANSFER_ENCODING"]
        environ["CONTENT_LENGTH"], environ["wsgi.input"] = str(length), body
        return django(environ, start_response)  # it has read the body by the time it answers


def _copy(source: IO[bytes], body: IO[bytes], *, limit: int) -> int:
    length = 0
    while length <= limit and (part := source.read(PART)):
        length += len(part)
        body.write(part)
    body.seek(0)
    return length


def _too_large(start_response: StartResponse, limit: int) -> list[bytes]:
    body = orjson.dumps({"detail": f"The request is larger than {limit // 1024 // 1024} MB. Send it in parts."})
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Connection", "close")]
    start_response("413 Content Too Large", headers)
    return [body]
