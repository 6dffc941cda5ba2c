"""`GET /telephony/calls/{call_id}/events` as a stream (WHATWG, Server-sent events): resumable, kept alive, and closed.

Every event has its id, so that `Last-Event-ID` goes on where a lost connection stopped. When nothing more will
happen, an `end` event closes the stream; who comes back after it is answered 204, which tells a browser to stay away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import orjson
from django.contrib.auth.models import User
from django.db import OperationalError
from rest_framework.exceptions import APIException, NotAuthenticated

from aispinner.core.auth import user_for_token
from telephony.api.calls import events_of
from telephony.api.finding import call_for, run_for
from telephony.api.shapes import event_json
from telephony.journal.delta import read_mark
from telephony.models import RunStatus
from telephony.models.call import TERMINAL
from telephony.realtime.hub import hub
from telephony.realtime.rows import read

KEEP_ALIVE = 15.0  # seconds; proxies close what is silent for a minute
AT_ONCE = 500
UNAUTHENTICATED = "Send a bearer token: Authorization: Bearer <token>."


@dataclass(frozen=True)
class Look:
    """What is new after a cursor. `over`: nothing more will come."""

    events: Sequence[dict[str, Any]]
    cursor: int
    over: bool
    more: bool


class EventStream:
    """An ASGI application for one path; the router gives it `call_id`."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        call_id = scope["url_route"]["kwargs"]["call_id"]
        cursor = _cursor(headers, scope["query_string"].decode("latin-1"))
        if cursor is None:
            await _answer(send, 422, "since and Last-Event-ID take the number of the last event seen.")
            return
        try:
            token = _token(headers)
            user = await read(lambda: user_for_token(token))
            if user is None:
                await _answer(send, 401, UNAUTHENTICATED, (b"www-authenticate", b"Bearer"))
                return
            workspace_id = await read(lambda: _workspace_of(user, call_id))
        except APIException as problem:
            await _answer(send, problem.status_code, str(problem.detail))
        except OperationalError:
            await _answer(send, 503, "The database is away. Try again in a moment.")
        else:
            await _stream(receive, send, token=token, workspace_id=workspace_id, call_id=call_id, cursor=cursor)


async def _stream(receive: Any, send: Any, *, token: str, workspace_id: int, call_id: str, cursor: int) -> None:
    gone = asyncio.ensure_future(_until_gone(receive))
    try:
        async with hub.watching(workspace_id) as flag:
            look = await read(lambda: _look(token, call_id, cursor))
            if look.over and not look.events:
                await send({"type": "http.response.start", "status": 204, "headers": []})
                await send({"type": "http.response.body", "body": b""})
                return
            await send({"type": "http.response.start", "status": 200, "headers": _STREAM_HEADERS})
            await _say(send, b"retry: 2000\n\n")
            while not gone.done():
                for event in look.events:
                    await _say(send, _event(event))
                if look.over and not look.more:
                    await _say(send, b"event: end\ndata: {}\n\n", last=True)
                    return
                if not look.more and not await _rung(flag, gone):
                    await _say(send, b": still here\n\n")
                flag.clear()
                after = look.cursor
                look = await read(lambda: _look(token, call_id, after))  # noqa: B023 - read before it changes
    except (APIException, OperationalError):
        await _say(send, b"", last=True)  # no longer allowed, or no database: the client comes back and is told
    finally:
        gone.cancel()


_STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),  # nginx: hand every event on at once
]


def _look(token: str, call_id: str, cursor: int) -> Look:
    """Events after `cursor`; token and membership are checked anew each time."""
    user = user_for_token(token)
    if user is None:
        raise NotAuthenticated
    over = _is_over(user, call_id)  # before the events: what ended it is among them, or comes with the next look
    mark = read_mark()
    events = list(
        events_of(user=user, call_id=call_id)
        .filter(pk__gt=cursor, pk__lte=mark)
        .select_related("call", "run")[:AT_ONCE]
    )
    more = len(events) == AT_ONCE
    return Look([event_json(event) for event in events], events[-1].pk if events else cursor, over, more)


def _is_over(user: User, call_id: str) -> bool:
    if call_id.startswith("camp_"):
        run = run_for(user=user, call_id=call_id)
        return run.finished_at is not None and run.status in {RunStatus.COMPLETED, RunStatus.CANCELLED}
    call = call_for(user=user, call_id=call_id)
    return call.status in TERMINAL and call.settled_at is not None


def _workspace_of(user: User, call_id: str) -> int:
    if call_id.startswith("camp_"):
        return run_for(user=user, call_id=call_id).workspace_id
    return call_for(user=user, call_id=call_id).workspace_id


def _token(headers: dict[bytes, str]) -> str:
    scheme, _, token = headers.get(b"authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _cursor(headers: dict[bytes, str], query: str) -> int | None:
    """Where to go on: `Last-Event-ID` of a lost connection, else `since`; None where that is no number."""
    text = headers.get(b"last-event-id") or parse_qs(query).get("since", ["0"])[-1]
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def _event(event: dict[str, Any]) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event["id"], event["type"].encode(), orjson.dumps(event))


async def _rung(flag: asyncio.Event, gone: asyncio.Future[None]) -> bool:
    """Wait for a ring, or until the client has gone; False where neither came before it is time to say something."""
    ring = asyncio.ensure_future(flag.wait())
    waiting: list[asyncio.Future[Any]] = [ring, gone]
    done, _ = await asyncio.wait(waiting, timeout=KEEP_ALIVE, return_when=asyncio.FIRST_COMPLETED)
    ring.cancel()
    return bool(done)


async def _until_gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _say(send: Any, body: bytes, *, last: bool = False) -> None:
    with suppress(OSError):
        await send({"type": "http.response.body", "body": body, "more_body": not last})


async def _answer(send: Any, status: int, detail: str, *headers: tuple[bytes, bytes]) -> None:
    body = orjson.dumps({"detail": detail})
    await send(
        {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json"), *headers]}
    )
    await send({"type": "http.response.body", "body": body})
