"""What no request pays for unless it needs it: sessions, messages, plans, and the environment of the process."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import add_message, get_messages
from django.contrib.messages.constants import INFO
from django.contrib.messages.storage.fallback import FallbackStorage
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from aispinner.core import messages
from aispinner.core.messages import LazyMessageMiddleware
from aispinner.core.prepared import prepared
from aispinner.serving import plain

PREPARED = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %s"


def _user_ids(client: Client) -> list[Any]:
    with capture_logs(processors=[merge_contextvars]) as lines:
        client.get("/healthz")
    return [line["user_id"] for line in lines if line["event"] == "request_finished"]


@pytest.mark.django_db
def test_who_asks_is_in_the_log_and_nobody_is_looked_for_without_a_session(client: Client, owner: User) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert _user_ids(client) == [None]
    assert len(queries) == 0
    client.force_login(owner)
    assert _user_ids(client) == [owner.pk]


def test_messages_are_made_ready_for_whoever_adds_or_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[HttpRequest] = []

    def make(request: HttpRequest) -> FallbackStorage:
        made.append(request)
        request.session = {}  # type: ignore[assignment]
        return FallbackStorage(request)

    def view(request: HttpRequest) -> HttpResponse:
        if request.path == "/page":
            add_message(request, INFO, "Saved.")
        return HttpResponse()

    monkeypatch.setattr(messages, "default_storage", make)
    serve: Any = LazyMessageMiddleware(view)
    assert not serve(RequestFactory().get("/api")).cookies
    assert made == []
    page = RequestFactory().get("/page")
    assert "messages" in serve(page).cookies
    assert (made, [str(each) for each in get_messages(page)]) == ([page], ["Saved."])


def test_a_request_does_not_know_the_environment_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    known: dict[str, Any] = {}

    def django(environ: dict[str, Any], _start_response: object) -> Iterable[bytes]:
        known.update(environ)
        return []

    monkeypatch.setattr(plain, "django", django)
    own = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SERVER_NAME": "x", "HTTP_HOST": "x"}
    plain.application({**os.environ, **own}, lambda *_: None)  # type: ignore[arg-type]
    assert own.items() <= known.items()
    assert not {"PATH", "DATABASE_URL", "SECRET_KEY"} & known.keys()


def _more(number: int) -> int:
    with prepared() as cursor:
        cursor.execute("SELECT %s::bigint + 1 AS more", [number])
        return int(cursor.fetchone()[0])


@pytest.mark.django_db
def test_a_prepared_statement_is_planned_once() -> None:
    assert [_more(1), _more(2)] == [2, 3]
    with connection.cursor() as cursor:
        cursor.execute(PREPARED, ["%AS more%"])
        assert cursor.fetchone() == (1,)


@pytest.mark.django_db
def test_a_prepared_statement_is_logged_as_any_other() -> None:
    with CaptureQueriesContext(connection) as queries:
        assert _more(41) == 42
    assert [query["sql"] for query in queries] == ["SELECT 41::bigint + 1 AS more"]
