"""The doorbell: tells a worker that a row has something to do. Lost, late or doubled, it does no harm."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError
from redis import RedisError

from aispinner.core import broker
from aispinner.core.crash_points import Point, reach
from telephony.dialer.burst import Burst

log = structlog.get_logger(__name__)

QUIET = 5  # seconds in which a second ring for the same row, not yet answered, is left out


def ring_runs(run_ids: Iterable[int]) -> None:
    """These runs may have something to submit, or nothing left to do."""
    _ring("advance_run", run_ids)


def ring_chunks(chunk_ids: Iterable[int]) -> None:
    """These chunks are due."""
    _ring("advance_chunk", chunk_ids)


def ring_endpoints(endpoint_ids: Iterable[int]) -> None:
    """Something has arrived at these webhook endpoints."""
    _ring("apply_receipts", endpoint_ids)


def announce(endpoint_id: int) -> None:
    """An event has just arrived at this webhook endpoint, one of many maybe: a burst of them rings few times."""
    transaction.on_commit(partial(_announce_now, endpoint_id), robust=True)


def ring_accounts(account_ids: Iterable[int]) -> None:
    """These accounts' conversations are to be looked at."""
    _ring("look_at_conversations", account_ids)


def ring_listeners(account_ids: Iterable[int]) -> None:
    """Numbers wait for lines of these accounts."""
    _ring("hear_ends", account_ids)


def _ring(task: str, row_ids: Iterable[int]) -> None:
    for row_id in row_ids:
        transaction.on_commit(partial(_ring_now, task, row_id), robust=True)


def _ring_now(task: str, row_id: int) -> None:
    """Rings for a row that waits to be looked at already are one."""
    reach(Point.COMMITTED)
    _pull(task, row_id)


def _announce_now(endpoint_id: int) -> None:
    reach(Point.COMMITTED)
    arrivals.add(endpoint_id)


def _pull(task: str, row_id: int) -> None:
    try:
        if broker.client().set(_name(task, row_id), 1, nx=True, ex=QUIET):
            reach(Point.BELL_MARKED)
            current_app.send_task(f"telephony.tasks.{task}", args=[row_id])
    except (RedisError, OperationalError):
        log.warning("bell_not_rung", task=task, row_id=row_id)  # the sweep will find the row


def answer(task: str, row_id: int) -> None:
    """The bell is being answered: what happens from now on rings anew."""
    try:
        broker.client().delete(_name(task, row_id))
    except RedisError:
        log.warning("bell_not_answered", task=task, row_id=row_id)
    reach(Point.BELL_ANSWERED)


def _name(task: str, row_id: int) -> str:
    return broker.key(f"bell:{task}:{row_id}")


arrivals = Burst(partial(_pull, "apply_receipts"))
