"""`/healthz`: this process is up. `/readyz`: so is everything it needs to do its work."""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import psycopg
from django.db import connection
from django.http import HttpRequest, HttpResponse
from redis.exceptions import RedisError

from aispinner.core import broker, heartbeat
from aispinner.core.rendering import dump_json

CONNECT_WITHIN = 2  # seconds


def healthz(_request: HttpRequest) -> HttpResponse:
    """200 as long as requests are being answered."""
    return _json({"status": "ok"}, HTTPStatus.OK)


def readyz(_request: HttpRequest) -> HttpResponse:
    """`{"status", "checks": {database, broker, worker, beat: {ok, …}}}`; 503 while one of them is away.

    `asterisk` is told of, too, where one has run lately: without Custom Voice nobody needs it.
    """
    checks = {
        "database": _timed(_ask_database),
        "broker": _timed(broker.client().ping),
        "worker": _sign_of("worker"),
        "beat": _sign_of("beat"),
    }
    ready = all(check["ok"] for check in checks.values())
    if (holder := _sign_of("asterisk"))["age_sec"] is not None:
        checks["asterisk"] = holder
    return _json(
        {"status": "ready" if ready else "not ready", "checks": checks},
        HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE,
    )


def _ask_database() -> None:
    """Over a connection of its own: the pool would wait long for a database that is away."""
    parameters = {**connection.get_connection_params(), "connect_timeout": CONNECT_WITHIN}
    for name in ("pool", "cursor_factory", "context", "prepare_threshold"):
        parameters.pop(name, None)
    with psycopg.connect(**parameters) as asked:
        asked.execute("SELECT 1")


def _timed(ask: Callable[[], object]) -> dict[str, Any]:
    started = time.monotonic()
    try:
        ask()
    except (psycopg.Error, RedisError):
        return {"ok": False}
    return {"ok": True, "took_ms": round((time.monotonic() - started) * 1000, 1)}


def _sign_of(who: str) -> dict[str, Any]:
    try:
        age = heartbeat.age(who)
    except RedisError:
        return {"ok": False, "age_sec": None}
    return {
        "ok": age is not None and age <= heartbeat.ALIVE_WITHIN,
        "age_sec": None if age is None else round(age, 1),
    }


def _json(body: object, status: HTTPStatus) -> HttpResponse:
    return HttpResponse(
        dump_json(body), status=status, content_type="application/json", headers={"Cache-Control": "no-store"}
    )
