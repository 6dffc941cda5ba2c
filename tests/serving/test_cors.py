"""What Django does not answer itself is readable for other origins as well: streams, and refusals before Django."""

from __future__ import annotations

import http.client

import pytest

from tests.serving.app import LIMIT
from tests.serving.conftest import Server, Start

OURS = "https://app.example.org"


@pytest.fixture(scope="module")
def open_server(launch: Start) -> Server:
    """One that lets an origin in."""
    return launch("--application", "tests.serving.app:application", env={"CORS_ALLOWED_ORIGINS": OURS})


def begin(server: Server, path: str, *, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
    """The head of an answer; the rest is not waited for."""
    with server.connection() as connection:
        connection.request(method, path, headers={"Accept": "text/event-stream", **headers})
        return connection.getresponse()


@pytest.mark.parametrize(("path", "status"), [("/ticks/a", 200), ("/crashing", 500)])
def test_a_stream_can_be_read_by_the_origins_of_the_setting(open_server: Server, path: str, status: int) -> None:
    response = begin(open_server, path, Origin=OURS)
    assert response.status == status
    assert response.headers["access-control-allow-origin"] == OURS
    assert "x-request-id" in response.headers["access-control-expose-headers"]
    assert "origin" in response.headers["vary"].lower()
    assert len(response.headers.get_all("content-type") or []) == 1


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_a_stream_is_for_no_other_origin(open_server: Server, origin: str) -> None:
    assert "access-control-allow-origin" not in begin(open_server, "/ticks/a", Origin=origin).headers
    assert "access-control-allow-origin" not in begin(open_server, "/ticks/a").headers


def test_a_refusal_before_django_can_be_read(open_server: Server) -> None:
    response = begin(open_server, "/upload", method="POST", Origin=OURS, **{"Content-Length": str(LIMIT + 1)})
    assert response.status == 413
    assert response.headers["access-control-allow-origin"] == OURS
