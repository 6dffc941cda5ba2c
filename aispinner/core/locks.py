"""One at a time over a network request: PostgreSQL's advisory locks, which need no open transaction and die with us."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256

from django.db import Error, OperationalError, connection, transaction
from psycopg.errors import LockNotAvailable


@contextmanager
def named_lock(name: str, *, wait: timedelta) -> Iterator[bool]:
    """Hold the lock called `name` in this database; yields False where another held it for all of `wait`."""
    key = int.from_bytes(sha256(name.encode()).digest()[:8], "big", signed=True)
    taken = _take(key, wait)
    try:
        yield taken
    finally:
        if taken:
            _give_back(key)


def _take(key: int, wait: timedelta) -> bool:
    milliseconds = max(1, int(wait.total_seconds() * 1000))
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{milliseconds}ms"])
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
