"""Named locks: held across transactions, given back whatever happens."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import pytest
from django.db import connection

from aispinner.core.locks import named_lock

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = timedelta(milliseconds=1)
HELD = """
SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database
 WHERE locktype = 'advisory' AND granted AND datname = current_database()
"""


@contextmanager
def another_session() -> Iterator[psycopg.Connection]:
    params = connection.get_connection_params()
    with psycopg.connect(**{**params, "autocommit": True, "cursor_factory": None}) as other:
        yield other


def locks_held() -> int:
    with connection.cursor() as cursor:
        cursor.execute(HELD)
        (count,) = cursor.fetchone()
    return int(count)


def test_a_lock_keeps_others_out_until_it_is_given_back() -> None:
    seen: list[bool] = []

    def rival() -> None:
        with named_lock("door", wait=AT_ONCE) as mine:
            seen.append(mine)
        connection.close()

    with named_lock("door", wait=AT_ONCE) as mine:
        assert mine
        thread = threading.Thread(target=rival)
        thread.start()
        thread.join()
    assert seen == [False]
    assert locks_held() == 0


def test_a_lock_is_given_back_when_its_holder_fails() -> None:
    with pytest.raises(KeyError), named_lock("door", wait=AT_ONCE):
        raise KeyError
    assert locks_held() == 0


def test_a_lock_that_was_granted_in_the_moment_of_giving_up_is_not_kept() -> None:
    """The waiter's server process is stopped, the lock granted, its wait runs out, and only then it wakes up."""
    pids: list[int] = []
    seen: list[bool] = []
    ready = threading.Event()

    def waiter() -> None:
        connection.ensure_connection()
        pids.append(connection.connection.info.backend_pid)
        ready.set()
        with named_lock("door", wait=timedelta(milliseconds=300)) as mine:
            seen.append(mine)
        connection.close()

    with another_session() as watcher:
        thread = threading.Thread(target=waiter)
        with named_lock("door", wait=AT_ONCE):
            thread.start()
            assert ready.wait(10)
            _until(watcher, "SELECT count(*) FROM pg_locks WHERE pid = %s AND NOT granted", pids[0])
            try:
                os.kill(pids[0], signal.SIGSTOP)
            except PermissionError:
                pytest.skip("The database's processes are not ours to stop.")
        _until(watcher, "SELECT count(*) FROM pg_locks WHERE pid = %s AND locktype = 'advisory' AND granted", pids[0])
        watcher.execute("SELECT pg_sleep(0.4)")  # the wait of 300 ms runs out meanwhile
        os.kill(pids[0], signal.SIGCONT)
        thread.join()
    assert seen == [False]
    assert locks_held() == 0


def _until(watcher: psycopg.Connection, query: str, pid: int) -> None:
    """Ask until the count is not 0, at most 10 seconds long."""
    for _ in range(1000):
        row = watcher.execute(query, [pid]).fetchone()
        if row and row[0]:
            return
        watcher.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("waited in vain")
