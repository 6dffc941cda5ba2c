"""ARI requests, over HTTP and over the event socket alike: who asks, what for, and the answer."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from .errors import AriError, bad_request, not_found
from .faults import Rule
from .pbx import Pbx

Json = dict[str, Any]
READ_ONLY = "readonly"
_HOLD_SECS = 60.0


@dataclass(frozen=True)
class Asked:
    """One request. Parameters come from the query or, by the same name, from the JSON body."""

    pbx: Pbx
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Json

    def get(self, name: str) -> str | None:
        """A parameter, None where it is missing or empty."""
        value = self.body.get(name, self.query.get(name))
        return None if value is None or value == "" else str(value)

    def number(self, name: str) -> int | None:
        """A whole number, 0 where it is none, as C reads it."""
        value = self.get(name)
        if value is None:
            return None
        return int(value) if value.lstrip("-").isdecimal() else 0

    def names(self, name: str) -> list[str]:
        """A list: split at commas in the query, but not in a JSON body, where it must be an array."""
        if name in self.body:
            given = self.body[name]
            return [str(one) for one in given] if isinstance(given, list) else [str(given)]
        return [one for one in self.query.get(name, "").split(",") if one]

    @property
    def variables(self) -> dict[str, str]:
        given = self.body.get("variables") or {}
        if not isinstance(given, dict):
            raise bad_request("Only string values in the 'variables' object allowed")
        return {str(name): str(value) for name, value in given.items()}


@dataclass(frozen=True)
class Answer:
    """204 without a body, else 200. `binary` cannot go over the event socket."""

    body: Any = None
    status: int = 0
    reason: str = ""
    binary: bytes | None = None

    @property
    def code(self) -> int:
        return self.status or (204 if self.body is None and self.binary is None else 200)

    @property
    def phrase(self) -> str:
        return self.reason or {200: "OK", 204: "No Content"}.get(self.code, "Error")


Handler = Callable[[Asked], Awaitable[Any]]


class CrashError(Exception):
    """Asterisk dies of this request."""


@dataclass(frozen=True)
class Endpoint:
    """An operation; `path` as in ARI's own description."""

    method: str
    path: str
    handler: Handler
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path)))


class Rest:
    """All operations over one PBX."""

    def __init__(self, pbx: Pbx, endpoints: tuple[Endpoint, ...]) -> None:
        self.pbx, self._endpoints = pbx, endpoints

    def may(self, *, authorization: str, api_key: str | None) -> str:
        """The user's name; AriError 401 where the password is wrong."""
        given = api_key or ""
        if authorization.lower().startswith("basic "):
            try:
                given = base64.b64decode(authorization[6:]).decode()
            except (binascii.Error, UnicodeDecodeError):
                given = ""
        user, _, password = given.partition(":")
        config = self.pbx.config
        if user not in (config.user, READ_ONLY) or password != config.password:
            raise AriError(401, "Authentication required")
        return user

    def find(self, method: str, path: str, *, user: str) -> tuple[Endpoint, dict[str, str]]:
        """AriError 404 for an unknown path, 405 for a method that it does not have, 403 where `user` may not write."""
        if user == READ_ONLY and method != "GET":
            raise AriError(403, "Write access denied")
        known = False
        for endpoint in self._endpoints:
            match = endpoint.pattern.fullmatch(path)
            if match and endpoint.method == method:
                return endpoint, match.groupdict()
            known = known or match is not None
        raise AriError(405, "Invalid method") if known else not_found("Resource not found")

    async def answer(
        self, *, method: str, path: str, query: Mapping[str, str], body: Json, user: str
    ) -> tuple[Answer, Rule | None]:
        """The answer, and the fault that is still to be played on the way back."""
        try:
            endpoint, parts = self.find(method, path, user=user)
        except AriError as error:
            return _refusal(error), None
        rule = self.pbx.faults.for_request(f"{method} {path}", f"{method} {endpoint.path}")
        if rule is not None and rule.fault == "slow":
            await asyncio.sleep(rule.seconds)
        if rule is not None and rule.when == "before" and rule.fault != "slow":
            return _struck(rule), rule
        try:
            done = await endpoint.handler(Asked(self.pbx, parts, query, body))
        except AriError as error:
            return _refusal(error), rule
        answer = done if isinstance(done, Answer) else Answer(done)
        return (_struck(rule) if rule is not None and rule.fault == "refuse" else answer), rule


def _refusal(error: AriError) -> Answer:
    return Answer(error.body, error.status, error.reason)


def _struck(rule: Rule) -> Answer:
    return Answer({"message": "Out of service"}, rule.status, "Out of service")


def parse_body(raw: bytes, content_type: str) -> tuple[Json, dict[str, str]]:
    """JSON object and form fields of a body; AriError 400 where it is neither."""
    if not raw:
        return {}, {}
    if content_type.startswith("application/x-www-form-urlencoded"):
        return {}, dict(parse_qsl(raw.decode(errors="replace"), keep_blank_values=True))
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise bad_request("Error parsing request body") from error
    if not isinstance(body, dict):
        raise bad_request("Error parsing request body")
    return body, {}


class CutOff(Response):
    """Promises more than it sends: the connection breaks in the middle of the answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"4096")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"', "more_body": True})


def http_route(rest: Rest) -> Route:
    """Everything under /ari/."""

    async def serve(request: Request) -> Response:
        try:
            authorization = request.headers.get("authorization", "")
            user = rest.may(authorization=authorization, api_key=request.query_params.get("api_key"))
            body, form = parse_body(await request.body(), request.headers.get("content-type", ""))
        except AriError as error:
            headers = {"WWW-Authenticate": 'Basic realm="Asterisk REST Interface"'} if error.status == 401 else None
            return _http(_refusal(error), headers)
        path = "/" + str(request.path_params["path"])
        query = {**request.query_params, **form}
        try:
            answer, rule = await rest.answer(method=request.method, path=path, query=query, body=body, user=user)
        except CrashError:
            rest.pbx.restart()
            return CutOff()
        if rule is not None and rule.fault == "hold":
            await asyncio.sleep(_HOLD_SECS)
        return CutOff() if rule is not None and rule.fault in ("hold", "cut_off") else _http(answer)

    return Route("/ari/{path:path}", serve, methods=["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"])


def _http(answer: Answer, headers: dict[str, str] | None = None) -> Response:
    if answer.binary is not None:
        return Response(answer.binary, answer.code, headers, media_type="audio/wav")
    content = b"" if answer.body is None else orjson.dumps(answer.body)
    return Response(content, answer.code, headers, media_type="application/json" if content else None)
