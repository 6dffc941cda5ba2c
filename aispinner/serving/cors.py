"""Headers for browsers of other origins on what Django does not answer, by the same settings and the same library."""

from __future__ import annotations

from collections.abc import Callable

from corsheaders.middleware import CorsMiddleware
from django.http import HttpRequest, HttpResponse

from aispinner.serving.asgi_types import Message, Scope, Send

_ALLOWED = b"access-control-allow-origin"
Headers = list[tuple[bytes, bytes]]


def with_cors(scope: Scope, send: Send) -> Send:
    """`send`, with the headers that the request's origin needs, where the answer has none of them yet."""
    origin = next((value for name, value in scope["headers"] if name == b"origin"), None)
    if origin is None:
        return send

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start" and all(name.lower() != _ALLOWED for name, _ in message["headers"]):
            message = {**message, "headers": [*message["headers"], *_headers(scope, origin.decode("latin-1"))]}
        await send(message)

    return sending


def _headers(scope: Scope, origin: str) -> Headers:
    request, response = HttpRequest(), HttpResponse()
    request.method, request.path_info = scope["method"], scope["path"]
    request.META["HTTP_ORIGIN"] = origin
    del response["Content-Type"]
    _middleware.add_response_headers(request, response)
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.items()]


def _never(_request: HttpRequest) -> HttpResponse:
    raise NotImplementedError  # the middleware is only asked for headers


_answering: Callable[[HttpRequest], HttpResponse] = _never
_middleware = CorsMiddleware(_answering)
