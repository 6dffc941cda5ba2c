"""What is written down, and what is not."""

from __future__ import annotations

import json
import logging
import logging.config
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
import structlog
from django.test import Client
from structlog.testing import capture_logs

from aispinner.core.logs import logging_config, process_name
from aispinner.core.tasks import forget
from tests.bells import Bells


class Log:
    """The lines written since it began."""

    def __init__(self, stream: StringIO) -> None:
        self._stream = stream

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def log() -> Iterator[Log]:
    """The log as a server writes it."""
    stream = StringIO()
    config = logging_config(level="DEBUG", style="json")
    config["handlers"]["stderr"]["stream"] = stream
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logging.config.dictConfig(config)
    yield Log(stream)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("+15550100123", "5550100123"),
        ("+1 (555) 010-0123", "010-0123"),
        ("%2B15550100123", "5550100123"),
        ("15550100123", "5550100123"),
        ("sk_live_0123abc", "0123abc"),
        ("ais_0123456789abcdef", "abcdef"),
        ("Bearer abc.def-ghi", "def-ghi"),
        ("https://host/x?token=abcdef123456", "abcdef"),
        ("postgresql://user:pass123word@host/name", "pass123word"),
        ("gAAAAABmZm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4", "YmFyYmF6"),
    ],
)
def test_what_looks_like_a_secret_is_cut_out(log: Log, text: str, secret: str) -> None:
    structlog.get_logger("ours").warning("event", said=f"before {text} after", nested={"list": [text]})
    logging.getLogger("theirs").warning("before %s after", text)
    assert len(log.lines) == 2
    assert secret not in log.text
    assert log.text.count("before") == log.text.count(" after") == 2


def test_what_is_named_like_a_secret_is_cut_out(log: Log) -> None:
    structlog.get_logger("ours").info("event", password="short", data={"twilio_token": "x", "subscriber_phone": "1"})
    [line] = log.lines
    assert line["password"] == "[hidden]"
    assert line["data"] == {"twilio_token": "[hidden]", "subscriber_phone": "[hidden]"}


def test_ids_times_and_counts_stay(log: Log) -> None:
    kept = {
        "call_id": "call_01jd2x6q4tz8r5n3v7k9m1p0ab",
        "run_id": 123456789012,
        "at": "2026-05-04T10:23:45.123456+00:00",
    }
    structlog.get_logger("ours").info("call_ended", **kept, took_ms=12.5)
    [line] = log.lines
    assert {name: line[name] for name in kept} == kept
    assert line["event"] == "call_ended"
    assert line["level"] == "info"
    assert line["process"]


def test_of_an_exception_only_its_type_and_its_way_are_kept(log: Log) -> None:
    try:
        int("hello")
    except ValueError:
        structlog.get_logger("ours").exception("failed")
        logging.getLogger("theirs").exception("failed too")
    assert "hello" not in log.text
    for line in log.lines:
        assert line["error"] == "ValueError"
        assert any("test_logs.py" in step for step in line["where"])


def test_a_request_is_one_line_with_its_id_and_without_its_query(log: Log, client: Client, db: None) -> None:
    response = client.get("/healthz?token=abc&q=hello", headers={"X-Request-ID": "given-id-1234"})
    assert response["X-Request-ID"] == "given-id-1234"
    [line] = [line for line in log.lines if line["event"] == "request_finished"]
    assert line["request_id"] == "given-id-1234"
    assert line["request"] == "GET /healthz"
    assert line["code"] == 200
    assert line["duration_ms"] >= 0
    assert "hello" not in log.text


@pytest.mark.parametrize("bad", ["short", "x" * 101, "with space 123", "new\nline 1234", "+15550100123", "é" * 10, ""])
def test_a_request_id_that_is_none_is_replaced(client: Client, bad: str) -> None:
    given = client.get("/healthz", headers={"X-Request-ID": bad})["X-Request-ID"]
    assert given != bad
    assert len(given) == 36


def test_a_crash_is_logged_once_under_the_id_that_the_client_is_told(
    log: Log, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError("they said hello")

    monkeypatch.setattr("aispinner.core.health._sign_of", crash)
    client.raise_request_exception = False
    response = client.get("/readyz")
    assert response.status_code == 500
    assert response["X-Request-ID"] in response.json()["detail"]
    [line] = [line for line in log.lines if line["level"] == "error"]
    assert line["request_id"] == response["X-Request-ID"]
    assert line["error"] == "RuntimeError"
    assert any("readyz" in step for step in line["where"])
    assert "hello" not in log.text


def test_of_a_task_that_failed_the_text_is_left_out_too(log: Log) -> None:
    try:
        int("hello")
    except ValueError as error:
        structlog.get_logger("tasks").exception("task_failed", error=str(error), exception=error, task_id="abc")
    [line] = log.lines
    assert (line["error"], line["task_id"]) == ("ValueError", "abc")
    assert "hello" not in log.text


def test_a_bell_carries_the_id_of_the_request_that_rang_it(db: None, bells: Bells) -> None:
    with structlog.contextvars.bound_contextvars(request_id="given-id-1234", user_id=7):
        forget.delay()
    [bell] = bells.rung
    assert bell.context == {"request_id": "given-id-1234"}


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["/x/aispinner/serving/__main__.py", "--port", "1"], "web"),
        (["/venv/bin/celery", "-A", "aispinner", "worker"], "worker"),
        (["/venv/lib/celery/__main__.py", "-A", "aispinner", "beat"], "beat"),
        (["/x/manage.py", "elevenlabs_simulator"], "elevenlabs_simulator"),
        ([""], "python"),
    ],
)
def test_a_process_has_a_name(argv: list[str], name: str) -> None:
    assert process_name(argv) == name


def test_people_get_lines_they_can_read() -> None:
    config = logging_config(level="INFO", style="console")
    formatter = config["formatters"]["structured"]
    assert isinstance(formatter["processors"][-1], structlog.dev.ConsoleRenderer)
    with capture_logs() as captured:
        structlog.get_logger("ours").info("event")
    assert captured
