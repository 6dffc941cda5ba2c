"""The door to the network: what every kind of failure means, and what never gets through."""

from __future__ import annotations

import gzip
import logging
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from integrations.errors import Answer, ProviderError, Reason
from integrations.http import Request, open_stream, parse_retry_after, retry_after, send
from tests.integrations.wire import Reply, Wire, closed_port

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def request(base_url: str, method: str = "POST") -> Request:
    return Request(
        method=method, base_url=base_url, path="/v1/x", headers={"xi-api-key": "sk_secret"}, body={"number": "+1555"}
    )


def failure(base_url: str, method: str = "POST", **limits: Any) -> ProviderError:
    with pytest.raises(ProviderError) as failed:
        send(request(base_url, method), **limits)
    return failed.value


def test_a_request_goes_out_once_and_the_answer_comes_back(wire: Wire) -> None:
    wire.answers(Reply(status=418, body={"a": 1}, headers={"x-trace-id": "t1"}))
    reply = send(request(wire.url))
    assert (reply.status, reply.json(), reply.headers["X-Trace-Id"]) == (418, {"a": 1}, "t1")
    assert [asked.body for asked in wire.asked] == [{"number": "+1555"}]


def test_where_nobody_listens_nothing_was_done() -> None:
    with closed_port() as url:
        assert (failure(url).answer, failure(url).reason) == (Answer.NOT_DONE, Reason.PROVIDER_DOWN)


def test_where_the_name_is_unknown_nothing_was_done(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert failure("http://api.elevenlabs.invalid").answer is Answer.NOT_DONE


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(fault="reset"), id="the connection breaks after sending"),
        pytest.param(Reply(body=b'{"id":', fault="cut"), id="the connection breaks in the answer"),
        pytest.param(Reply(body={}, delay=0.5), id="the answer does not come"),
    ],
)
def test_what_may_have_arrived_is_unknown_for_a_post_and_safe_to_repeat_for_a_get(
    wire: Wire, reply: Reply, settings: Settings
) -> None:
    settings.ELEVENLABS_READ_TIMEOUT = 0.25
    wire.answers(reply)
    assert failure(wire.url, "POST").answer is Answer.UNKNOWN
    assert failure(wire.url, "PATCH").answer is Answer.UNKNOWN
    assert failure(wire.url, "GET").answer is Answer.NOT_DONE
    assert [asked.method for asked in wire.asked] == ["POST", "PATCH", "GET"]


def test_an_answer_that_comes_in_drops_is_given_up(wire: Wire, settings: Settings) -> None:
    settings.ELEVENLABS_READ_TIMEOUT = 0.25
    wire.answers(Reply(body=b" " * 60, drip=0.05))
    began = time.monotonic()
    assert failure(wire.url).answer is Answer.UNKNOWN
    assert time.monotonic() - began < 2  # all of it would take 3 seconds


def test_an_answer_that_is_too_large_is_not_read_on(wire: Wire) -> None:
    wire.answers(Reply(body=gzip.compress(b" " * 2_000_000), headers={"Content-Encoding": "gzip"}))
    assert failure(wire.url, max_bytes=1_000_000).answer is Answer.UNKNOWN
    assert len(send(request(wire.url), max_bytes=2_000_000).body) == 2_000_000


def test_connections_are_used_again(wire: Wire) -> None:
    wire.answers(Reply(body={"a": "b" * 100_000}))
    for _ in range(3):
        send(request(wire.url))
    assert len({asked.port for asked in wire.asked}) == 1


def test_redirects_are_not_followed(wire: Wire) -> None:
    wire.answers(Reply(status=307, headers={"Location": "http://127.0.0.1:1/elsewhere"}))
    assert send(request(wire.url)).status == 307
    assert len(wire.asked) == 1


def test_proxies_of_the_environment_and_cookies_are_left_alone(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    wire.answers(Reply(body={}, headers={"Set-Cookie": "session=1; Path=/"}))
    send(request(wire.url))
    send(request(wire.url))
    assert "Cookie" not in wire.asked[1].headers


def test_a_recording_that_breaks_off_is_an_error_and_not_a_short_recording(wire: Wire) -> None:
    wire.answers(Reply(body=b"ID3" * 1000, fault="cut"))
    with (
        pytest.raises(ProviderError),
        open_stream(Request(method="GET", base_url=wire.url, path="/audio", headers={})) as (_, _, pieces),
    ):
        list(pieces)


def test_neither_keys_nor_bodies_are_logged(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    wire.answers(Reply(fault="reset"))
    with caplog.at_level(logging.DEBUG, logger="integrations"):
        failure(wire.url)
    assert "sk_secret" not in caplog.text
    assert "+1555" not in caplog.text


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("0", timedelta()),
        ("7", timedelta(seconds=7)),
        ("1.5", timedelta(seconds=1.5)),
        ("-5", None),
        ("86400", timedelta(hours=1)),
        ("9" * 400, timedelta(hours=1)),
        ("Sun, 22 Nov 2026 12:00:30 GMT", timedelta(seconds=30)),
        ("Sun, 22 Nov 2026 11:00:00 GMT", timedelta()),
        ("Mon, 23 Nov 2026 12:00:00 GMT", timedelta(hours=1)),
        ("Sun, 22 Nov 2026 12:00:30 -0000", timedelta(seconds=30)),
        ("Sun, 99 Nov 2026 12:00:30 GMT", None),
    ],
)
def test_how_long_to_wait_is_read_as_seconds_or_date_and_never_beyond_an_hour(
    value: str | None, wait: timedelta | None
) -> None:
    assert parse_retry_after(value, now=NOW) == wait


def test_milliseconds_are_taken_before_seconds() -> None:
    headers = {"retry-after-ms": "1500", "Retry-After": "2"}
    assert retry_after(headers, now=NOW) == timedelta(seconds=1.5)
    assert retry_after({"Retry-After": "2"}, now=NOW) == timedelta(seconds=2)
