"""The server with what it is for: Django, its static files and its database."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection

from aispinner.core.auth import issue_token
from aispinner.core.models import ApiToken
from tests.factories import make_user
from tests.serving.conftest import Server, Start

THREADS, KEPT = 3, "kept"  # threads, and what PostgreSQL calls their connections


@pytest.fixture(scope="session")
def tests_database(django_db_setup: None) -> dict[str, str]:
    """The environment that leads another process to the tests' own database, with a pool of two connections."""
    address = urlsplit(os.environ["DATABASE_URL"])
    name = str(connection.settings_dict["NAME"])
    return {"DATABASE_URL": urlunsplit(address._replace(path=f"/{name}")), "DATABASE_POOL": "2"}


@pytest.fixture(scope="session")
def combined(launch: Start, tests_database: dict[str, str]) -> Iterator[Server]:
    server = launch(env=tests_database)
    yield server
    server.stop()  # before the database goes


@pytest.fixture(scope="session")
def wsgi(launch: Start, tests_database: dict[str, str]) -> Iterator[Server]:
    server = launch("--interface", "wsgi", "--threads", str(THREADS), env={**tests_database, "PGAPPNAME": KEPT})
    yield server
    server.stop()


@pytest.fixture
def token(transactional_db: None) -> str:
    """A bearer token that other processes see too."""
    return issue_token(user=make_user("asker"))[1]


def ask_many(server: Server, token: str) -> set[int]:
    """What forty requests for rows are answered, eight at a time."""

    def ask(_: int) -> int:
        return server.get("/auth/tokens", Authorization=f"Bearer {token}")[0].status

    with ThreadPoolExecutor(8) as threads:
        return set(threads.map(ask, range(40)))


@pytest.mark.parametrize("kind", ["combined", "wsgi"])
def test_health_is_told_to_anybody(kind: str, request: pytest.FixtureRequest) -> None:
    response, body = request.getfixturevalue(kind).get("/healthz")
    assert (response.status, json.loads(body)) == (200, {"status": "ok"})
    assert response.headers["x-request-id"]


def test_what_is_not_ready_is_named(combined: Server) -> None:
    response, body = combined.get("/readyz")
    checks = json.loads(body)["checks"]
    assert response.status == 503
    assert (checks["database"]["ok"], checks["broker"]["ok"]) == (True, True)
    assert (checks["worker"]["ok"], checks["beat"]["ok"]) == (False, False)


def test_static_files_are_served_without_being_collected(combined: Server) -> None:
    response, body = combined.get("/static/admin/css/base.css")
    assert response.status == 200
    assert response.headers["content-type"].startswith("text/css")
    assert len(body) == int(response.headers["content-length"])
    response, body = combined.get("/static/admin/css/base.css", method="HEAD")
    assert (response.status, body) == (200, b"")


def test_connections_go_back_to_the_pool(combined: Server, token: str) -> None:
    assert ask_many(combined, token) == {200}


def test_threads_that_keep_their_connections_find_out_when_the_database_has_ended_them(
    wsgi: Server, token: str
) -> None:
    assert ask_many(wsgi, token) == {200}
    with connection.cursor() as cursor:
        words = "SELECT pg_terminate_backend(pid, 9000) FROM pg_stat_activity WHERE application_name = %s"
        cursor.execute(words, [KEPT])
        ended = [gone for (gone,) in cursor.fetchall()]
    assert all(ended)
    assert 1 <= len(ended) <= THREADS
    assert ask_many(wsgi, token) == {200}


def test_a_token_revoked_here_is_refused_there_within_a_second(combined: Server, token: str) -> None:
    def status() -> int:
        return combined.get("/auth/tokens", Authorization=f"Bearer {token}")[0].status

    assert status() == 200
    ApiToken.objects.filter(user=User.objects.get()).delete()
    revoked = time.monotonic()
    while status() == 200:
        assert time.monotonic() < revoked + 1


@pytest.mark.parametrize("kind", ["combined", "wsgi"])
def test_a_body_larger_than_the_limit_is_refused_in_one_shape(kind: str, request: pytest.FixtureRequest) -> None:
    with request.getfixturevalue(kind).raw() as connection:
        length = settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1
        connection.sendall(f"POST /auth/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode())
        assert re.match(rb"HTTP/1.1 413[\s\S]*\{\"detail\":\"The request is larger than 32 MB", connection.recv(4096))


def test_the_log_holds_no_query_and_no_token(combined: Server, token: str) -> None:
    combined.get("/auth/tokens?token=ais_0123456789&number=%2B15550100123", Authorization=f"Bearer {token}")
    log = combined.log.read_text()
    assert "/auth/tokens" in log
    assert "ais_" not in log
    assert "5550100123" not in log


@pytest.mark.parametrize("kind", ["combined", "wsgi"])
def test_a_chunked_body_is_read(kind: str, request: pytest.FixtureRequest, token: str) -> None:
    server: Server = request.getfixturevalue(kind)
    parts = [b'{"username": "asker", ', b'"password": ', b'"correct horse"}']
    headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    with server.connection() as connection:
        connection.request("POST", "/auth/token", body=iter(parts), headers=headers, encode_chunked=True)
        response = connection.getresponse()
        assert response.status in {201, 401}, response.read()  # read, whatever hash the password has here
        response.read()


@pytest.mark.parametrize("kind", ["combined", "wsgi"])
def test_a_host_that_is_not_ours_is_refused(kind: str, request: pytest.FixtureRequest) -> None:
    response, body = request.getfixturevalue(kind).get("/healthz", Host="evil.example")
    assert (response.status, list(json.loads(body))) == (400, ["detail"])
