"""A database connection that a thread keeps from request to request, and what becomes of it when it has ended."""

from __future__ import annotations

import select

from django.db import connections


def let_go_of_ended(**_: object) -> None:
    """Before a request: nothing comes unasked over a connection that waits, but word of its end.

    So a database that was restarted costs nobody an error, and no request a way to the database to find out.
    """
    for wrapper in connections.all(initialized_only=True):
        kept = wrapper.connection
        if kept is not None and (kept.closed or _has_something(kept.fileno())):
            wrapper.close()


def _has_something(socket: int) -> bool:
    waiting = select.poll()
    waiting.register(socket, select.POLLIN)
    return bool(waiting.poll(0))
