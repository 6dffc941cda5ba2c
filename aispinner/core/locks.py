"""One at a time over a network request: PostgreSQL's advisory locks, which need no open transaction and die with us."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256

from django.db import Error, OperationalError, connection, transaction
from psycopg.errors import LockNotAvailable

_GIVE_BACK_IF_HELD = """
SELECT pg_advisory_unlock(%(key)s)
  FROM pg_locks
 WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid() AND objsubid = 1
   AND (classid::bigint << 32) | objid::bigint = %(key)s
"""


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
            # Where the lock was granted in the very moment the wait ran out, PostgreSQL reports the time-out
            # and lets the session keep the lock: it would stay with this pooled connection for ever.
            _give_back(key)
            return False
        raise
    return True


def _give_back(key: int) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute(_GIVE_BACK_IF_HELD, {"key": key})
    except Error:
        if connection.connection is not None:
            connection.connection.close()  # not back to the pool: the lock goes, at the latest now, with its session
        connection.close()
