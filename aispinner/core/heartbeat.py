"""Signs of life: beat leaves its own when it rings, a worker leaves one when it answers; `/readyz` reads both."""

from __future__ import annotations

import time
from typing import Any

import structlog
from celery.signals import beat_init, before_task_publish, worker_ready
from redis.exceptions import RedisError

from aispinner.core import broker

log = structlog.get_logger(__name__)

TASK = "aispinner.core.tasks.heartbeat"
INTERVAL = 5  # seconds between two
ALIVE_WITHIN = 20.0  # seconds
_KEPT = 24 * 60 * 60  # seconds


def leave(who: str) -> None:
    """Write that `who` (`worker`, `beat`) is alive now."""
    broker.client().set(broker.key(f"heartbeat:{who}"), time.time(), ex=_KEPT)


def age(who: str) -> float | None:
    """Seconds since the last sign of `who`; None where there never was one. RedisError where the broker is away."""
    written = broker.client().get(broker.key(f"heartbeat:{who}"))
    return None if written is None else max(0.0, time.time() - float(str(written)))


@beat_init.connect
def _beat_has_started(**_: Any) -> None:
    """Only the beat process listens: a heartbeat that somebody else rings proves nothing of it."""
    before_task_publish.connect(_beat_rings, sender=TASK, weak=False)
    _beat_rings()


def _beat_rings(**_: Any) -> None:
    _leave_if_possible("beat")


@worker_ready.connect
def _worker_has_started(**_: Any) -> None:
    """The first sign comes at once; those that follow prove that tasks are run."""
    _leave_if_possible("worker")


def _leave_if_possible(who: str) -> None:
    try:
        leave(who)
    except RedisError as error:
        log.warning("heartbeat_not_written", error=type(error).__name__)
