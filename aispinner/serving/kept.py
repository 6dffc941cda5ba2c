"""A database connection that a thread keeps from request to request; and its end, with PostgreSQL's or the thread's."""

from __future__ import annotations

import select
import threading
from contextlib import suppress
from typing import Any

import psycopg
from django.db import connection, connections


def keep(**_: object) -> None:
    """Before a request: let go of what has ended. What comes unasked over a connection that waits, is word of its end.

    So a database that was restarted costs nobody an error, and no request a way to the database to find out. (A notice
    would cost it a new connection, and nothing else.)
    """
    for wrapper in connections.all(initialized_only=True):
        kept = wrapper.connection
        if kept is not None and (kept.closed or _has_something(kept.fileno())):
            wrapper.close()


def close_with_thread(**_: object) -> None:
    """After a request: whatever this thread keeps is closed when the thread ends, as the server's do when they idle.

    Django's own objects refer to each other in circles, and hold it open until Python looks for such.
    """
    kept = connection.connection
    will = getattr(_thread, "will", None)
    if kept is not None and (will is None or will.kept is not kept):
        _thread.will = _Will(kept)


class _Will:
    """Closes a connection when nobody knows of it any more."""

    def __init__(self, kept: psycopg.Connection[Any]) -> None:
        self.kept = kept

    def __del__(self) -> None:
        with suppress(psycopg.Error):
            self.kept.close()


_thread = threading.local()


def _has_something(socket: int) -> bool:
    waiting = select.poll()
    waiting.register(socket, select.POLLIN)
    return bool(waiting.poll(0))
