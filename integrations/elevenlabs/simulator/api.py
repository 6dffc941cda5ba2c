"""From request to answer: body checked first, then the key, then faults, then the endpoint's own handler."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from .checks import Fields, Schema, check_body, check_query, problem
from .errors import ApiError, current_form, missing_key, validation_list, wrong_key
from .faults import Rule, server_error
from .simulator import Simulator
from .world import Account

Json = dict[str, Any]
_ACCOUNT = re.compile(r"sk_acct_([^_]+)(?:_|$)")


class JsonResponse(Response):
    """JSON by orjson."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


class CutOff(Response):
    """Promises more than it sends: the connection breaks in the middle of the answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"4096")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"', "more_body": True})


@dataclass(frozen=True)
class Call:
    """One checked request. `fault` is set where a rule changes what the handler itself answers."""

    sim: Simulator
    account: Account
    request: Request
    key: str
    query: Json
    body: Json
    fault: Rule | None = None

    def path(self, name: str) -> str:
        return str(self.request.path_params[name])


Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True)
class Endpoint:
    """A documented operation. `name` is what fault rules call it."""

    name: str
    method: str
    path: str
    handler: Handler
    query: Fields = field(default_factory=dict)
    body: Schema | None = None
    notes: Callable[[Json], str] | None = None  # its arrival is a line in the mirrored ledger, under this name

    def route(self, sim: Simulator) -> Route:
        async def answer(request: Request) -> Response:
            trace = secrets.token_hex(16)
            try:
                response = await self._serve(sim, request)
            except ApiError as error:
                response = error_response(error, trace=trace)
            response.headers["x-trace-id"] = trace
            response.headers["x-region"] = "us-central1"
            return response

        return Route(self.path, answer, methods=[self.method], name=self.name)

    async def _serve(self, sim: Simulator, request: Request) -> Response:
        query, problems = check_query(request.query_params, self.query)
        body: Any = {}
        if self.body is not None:
            body, wrong = await _read_json(request)
            problems += wrong or check_body(body, self.body)
        if problems:
            raise validation_list(problems)
        key = _key_of(request)
        account = sim.world.account(_account_of(key))
        route = f"{self.method} {self.path}"
        if self.notes is not None:
            sim.world.note(self.name, name=self.notes(body))
        rule = sim.faults.for_request(endpoint=self.name, route=route, account=account.name, key=key)
        call = Call(sim=sim, account=account, request=request, key=key, query=query, body=body, fault=rule)
        return await self.handler(call) if rule is None else await self._with_fault(call, rule)

    async def _with_fault(self, call: Call, rule: Rule) -> Response:
        """The answer under `rule`; `after` means that the request was carried out all the same."""
        error = rule.error(limit=call.account.limit)
        if rule.fault in ("slow", "hold") and not (rule.fault == "hold" and rule.when == "after"):
            await asyncio.sleep(rule.seconds)
        if rule.fault == "hold" and rule.when == "before":
            raise server_error()
        if rule.when == "before" and error is not None:
            raise error
        if rule.when == "before" and rule.fault == "cut_off":
            return CutOff()
        response = await self.handler(call)
        if rule.fault == "hold":
            await asyncio.sleep(rule.seconds)
        if rule.when == "after" and error is not None:
            raise error
        return CutOff() if rule.fault == "cut_off" else response


async def _read_json(request: Request) -> tuple[Any, list[Json]]:
    raw = await request.body()
    if not raw:
        return None, [problem("missing", ["body"], "Field required", None)]
    try:
        return orjson.loads(raw), []
    except orjson.JSONDecodeError as error:
        return None, [problem("json_invalid", ["body", error.pos], "JSON decode error", {}, error=error.msg)]


def _key_of(request: Request) -> str:
    bearer = request.headers.get("authorization", "")
    key = request.headers.get("xi-api-key") or bearer.removeprefix("Bearer ")
    if not key:
        raise missing_key()
    if not key.startswith("sk_") or key.startswith("sk_invalid"):
        raise wrong_key()
    return key


def _account_of(key: str) -> str:
    """`sk_acct_<name>_…` belongs to account <name>, every other key to `default`."""
    match = _ACCOUNT.match(key)
    return match.group(1) if match else "default"


def error_response(error: ApiError, *, trace: str) -> Response:
    detail = error.detail
    if isinstance(detail, dict) and "type" in detail:
        detail = {**detail, "request_id": trace}
    return JsonResponse({"detail": detail}, status_code=error.http_status, headers=error.headers)


async def plain_error(_request: Request, error: Exception) -> Response:
    """Unknown routes and methods: `{"detail": "Not Found"}`, a plain string."""
    status, detail = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "Error")
    return JsonResponse({"detail": detail}, status_code=status)


def cursor_for(position: int) -> str:
    return base64.urlsafe_b64encode(f"after:{position}".encode()).decode()


def position_of(cursor: str | None) -> int | None:
    """The position that `cursor` stands for, None at the start; ApiError 400 where it is not one of ours."""
    if not cursor:
        return None
    try:
        word, _, number = base64.urlsafe_b64decode(cursor.encode()).decode().partition(":")
        if word == "after":
            return int(number)
    except (binascii.Error, ValueError):
        pass
    raise current_form(400, "validation_error", "invalid_cursor", "The cursor is not valid.", param="cursor")
