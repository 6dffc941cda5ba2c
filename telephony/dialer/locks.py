"""Locks that outlive a transaction and die with their process: PostgreSQL's advisory locks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import Error, OperationalError, connection, transaction
from psycopg.errors import LockNotAvailable

_RUN = 1 << 48  # the namespace of runs among the advisory locks of this database


@contextmanager
def run_lock(run_id: int, *, wait: timedelta) -> Iterator[bool]:
    """Hold the run's lock: whoever has it, and only who has it, may submit for this run.

    Yields False where another held it for all of `wait`. It is held over network requests, and lost
    only with the connection.
    """
    if not _take(_RUN + run_id, wait):
        yield False
        return
    try:
        yield True
    finally:
        _give_back(_RUN + run_id)


def _take(key: int, wait: timedelta) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('lock_timeout', %s, true)", [f"{int(wait.total_seconds() * 1000) or 1}ms"]
            )
            cursor.execute("SELECT pg_advisory_lock(%s)", [key])
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):
            return False
        raise
    return True


def _give_back(key: int) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [key])
    except Error:
        connection.close()  # the lock went, or goes now, with its connection
