"""Structured logs: one event a line, with ids and never numbers, names, transcripts or keys.

Code passes ids only. Behind that stands a second line of defence: what looks like a phone number, a token or a key is
cut out of every event, whoever wrote it, and of an exception only its type and its way through the code are kept.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson
import structlog

Event = MutableMapping[str, Any]

_SECRET_TEXT = [
    (re.compile(r"(?:\+|%2[bB])\d[\d\s().-]{5,}\d"), "[number]"),
    (re.compile(r"(?<![\w.:+-])\d{10,15}(?![\w.:-])"), "[number]"),
    (re.compile(r"\bsk_[\w-]{3,}"), "[key]"),
    (re.compile(r"\bais_\w{3,}|\b[0-9a-fA-F]{64}\b"), "[token]"),
    (re.compile(r"\bgAAAA[\w=-]{20,}"), "[encrypted]"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=:-]{4,}"), r"\1 [token]"),
    (re.compile(r"(?i)\b(token|ticket|password|secret|api_key)=[^&\s'\"]+"), r"\1=[hidden]"),
    (re.compile(r"(://)[^/@\s]+@"), r"\1[hidden]@"),
]
_SECRET_NAMES = re.compile(
    r"(?i)^(authorization|cookie|.*password|.*secret|.*token|api_key|.*phone|(to_|from_)?numbers?|transcript|summary|body)$"
)
_DEEPEST = 4


def logging_config(*, level: str, style: str) -> dict[str, Any]:
    """Django's LOGGING for the given level and style (`json` for machines, `console` for people), on stderr."""
    renderer: Any = structlog.processors.JSONRenderer(serializer=_to_json)
    if style == "console":
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _SHARED,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, redact, renderer],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"level": level, "handlers": ["stderr"]},
        "loggers": {
            # Told better by the events `request_finished`, `request_failed`, `task_failed`.
            "django.request": {"level": "CRITICAL"},
            "celery.app.trace": {"level": "CRITICAL"},
            "celery.worker.strategy": {"level": "WARNING"},  # a line for each bell
            "celery.beat": {"level": "WARNING"},
            "django": {"handlers": [], "level": "NOTSET"},
            "_granian": {"level": "WARNING"},
            "urllib3": {"level": "WARNING"},
            "aioice": {"level": "WARNING"},  # the addresses of whoever calls
            "aiortc": {"level": "WARNING"},
            "asyncio": {"level": "WARNING"},
            "psycopg.pool": {"level": "ERROR"},  # one warning for each attempt to reach a database that is away
        },
    }


def where(error: BaseException | None, trace: TracebackType | None = None) -> list[str]:
    """The last steps of an exception's way through the code. Its text is left out: it may hold anything."""
    frames = traceback.extract_tb(trace or (error.__traceback__ if error else None))[-10:]
    return [f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames]


def process_name(argv: list[str]) -> str:
    """What this process is: web, worker, beat, or the management command it runs."""
    program = Path(argv[0] if argv else "")
    name = program.parent.name if program.name == "__main__.py" else program.stem
    if name == "celery":
        return next((each for each in ("worker", "beat") if each in argv), name)
    if name == "manage" and len(argv) > 1:
        return argv[1]
    return "web" if name == "serving" else name or "python"


def redact(_logger: object, _method: str, event: Event) -> Event:
    """Cut out what must not be written down, wherever in the event it stands."""
    return {key: value if key in _OURS else _clean(key, value, 0) for key, value in event.items()}


def _clean(key: str, value: object, depth: int) -> object:
    if isinstance(value, str):
        return "[hidden]" if value and _SECRET_NAMES.match(key) else without_secrets(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if depth >= _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {str(name): _clean(str(name), child, depth + 1) for name, child in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_clean(key, child, depth + 1) for child in value]
    return without_secrets(str(value))


def without_secrets(text: str) -> str:
    """`text` with what looks like a number, a key or a token cut out."""
    for pattern, replacement in _SECRET_TEXT:
        text = pattern.sub(replacement, text)
    return text


def _keep_no_exception_text(_logger: object, _method: str, event: Event) -> Event:
    """An exception becomes its type and its way through the code."""
    found = event.pop("exc_info", None)
    if found is True:
        found = sys.exc_info()
    if isinstance(found, BaseException):
        found = (type(found), found, found.__traceback__)
    if isinstance(found, tuple) and found[1] is not None:
        event["error"] = type(found[1]).__name__
        event["where"] = where(found[1], found[2])
    if isinstance(event.get("exception"), BaseException):
        event["error"] = type(event.pop("exception")).__name__
    return event


def _add_process(_logger: object, _method: str, event: Event) -> Event:
    event["process"] = _PROCESS
    return event


def _short(filename: str) -> str:
    for marker in ("site-packages/", "python3"):
        filename = filename.rsplit(marker, 1)[-1]
    return filename.removeprefix(f"{Path.cwd()}/")


def _to_json(event: Event, **_: object) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


_PROCESS = process_name(sys.argv)
_OURS = frozenset({"timestamp", "level", "logger", "process", "request_id", "task_id", "where"})
_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _add_process,
    _keep_no_exception_text,
]
structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        *_SHARED,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=True,
)
logging.captureWarnings(capture=True)
