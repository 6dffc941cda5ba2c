"""Counters and gauges of all processes, kept in one hash of Valkey: whoever is scraped tells of everybody.

A counter is worth no call's time: where Valkey does not answer, what happens is not counted. Emptied, all start at 0.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from redis.exceptions import RedisError

from aispinner.core import broker

log = structlog.get_logger(__name__)

PAUSE = 5.0  # seconds without counting, after Valkey did not answer
_paused = {"until": 0.0}


@dataclass(frozen=True)
class Name:
    """A counter or gauge and its labels: words of our own, never anything personal."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()


def name(name: str, **labels: str) -> Name:
    return Name(name, tuple(sorted(labels.items())))


def count(name_: str, by: float = 1, **labels: str) -> None:
    """Add `by` to a counter."""
    count_all({name(name_, **labels): by})


def count_all(counts: Mapping[Name, float]) -> None:
    """Add to several counters in one go."""
    _write({key: value for key, value in counts.items() if value}, add=True)


def note(name_: str, value: float, **labels: str) -> None:
    """Set a gauge."""
    _write({name(name_, **labels): value}, add=False)


def noted() -> dict[Name, float]:
    """All counters and gauges. RedisError where Valkey does not answer."""
    found: dict[str, str] = broker.client().hgetall(_key())  # type: ignore[assignment]
    return {_parsed(field): float(value) for field, value in found.items()}


def _write(values: Mapping[Name, float], *, add: bool) -> None:
    if not values or time.monotonic() < _paused["until"]:
        return
    try:
        with broker.client().pipeline(transaction=False) as pipe:
            for key, value in values.items():
                if add:
                    pipe.hincrbyfloat(_key(), _field(key), value)
                else:
                    pipe.hset(_key(), _field(key), str(value))
            pipe.execute()
    except RedisError as error:
        _paused["until"] = time.monotonic() + PAUSE
        log.warning("not_counted", error=type(error).__name__)


def _key() -> str:
    return broker.key("metrics")


def _field(key: Name) -> str:
    return json.dumps([key.name, dict(key.labels)], sort_keys=True)


def _parsed(field: str) -> Name:
    name_, labels = json.loads(field)
    return name(name_, **labels)
