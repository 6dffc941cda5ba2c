"""Rivals in threads, each with a database connection of its own; and whether one of them waits for a lock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

Rival = Callable[..., "Future[Any]"]
PATIENCE = 20.0
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def eventually(holds: Callable[[], bool]) -> None:
    """Return as soon as `holds` does; AssertionError where it never does."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def somebody_waits(*, rivals: int = 1) -> None:
    """Return once so many sessions wait for a lock that somebody else has."""

    def look() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(_WAITING)
            return bool(cursor.fetchone()[0] >= rivals)

    eventually(look)


@contextmanager
def rivals() -> Iterator[Rival]:
    """`start(function, …)` runs it in a thread; all have ended, and given their connections back, at the end."""

    def run(do: Callable[..., Any], *args: Any, **named: Any) -> Any:
        try:
            return do(*args, **named)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=16) as pool:
        yield lambda do, *args, **named: pool.submit(run, do, *args, **named)


class Open:
    """A transaction that has done its work and is not committed before `commit()`."""

    def __init__(self, start: Rival, do: Callable[..., Any], *args: Any, **named: Any) -> None:
        self._done, self._may_commit = threading.Event(), threading.Event()
        self.future = start(self._run, do, args, named)
        assert self._done.wait(PATIENCE) or self.future.done()

    def _run(self, do: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        with transaction.atomic():
            result = do(*args, **named)
            self._done.set()
            assert self._may_commit.wait(PATIENCE)
        return result

    def commit(self) -> Any:
        """Commit; what the work returned, or raised."""
        self._may_commit.set()
        return self.future.result(PATIENCE)
