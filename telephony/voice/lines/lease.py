"""Who holds a PBX: a PostgreSQL advisory lock on a connection of its own, which dies with the process that has it."""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256
from threading import Lock
from typing import Any

import psycopg
from django.db import connection

CONNECT_WITHIN = 2  # seconds
# A holder whose machine is gone loses the lock when the server has missed so many of its signs of life.
_NOTICE_DEATH = "SET tcp_keepalives_idle = 3; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3"


class Lease:
    """The right to hold what is called `name`. Threads may share it; closed, it is never taken again."""

    def __init__(self, name: str) -> None:
        self._key = int.from_bytes(sha256(f"lease:{name}".encode()).digest()[:8], "big", signed=True)
        self._connection: psycopg.Connection[Any] | None = None
        self._held = self._closed = False
        self._one_at_a_time = Lock()

    def take(self) -> bool | None:
        """Take it if it is free; None where the database is away, and nobody knows."""
        with self._one_at_a_time:
            if self._closed:
                return None
            try:
                if self._connection is None:
                    self._connection = psycopg.connect(**_parameters(), autocommit=True)
                    self._connection.execute(_NOTICE_DEATH)
                row = self._connection.execute("SELECT pg_try_advisory_lock(%s)", [self._key]).fetchone()
            except psycopg.Error:
                self._let_go()
                return None
            self._held = row is not None and bool(row[0])
            return self._held

    def is_held(self) -> bool:
        """Whether it is still ours: as long as the connection lives that took it."""
        with self._one_at_a_time:
            if self._connection is None or not self._held:
                return False
            try:
                self._connection.execute("SELECT 1")
            except psycopg.Error:
                self._let_go()
            return self._held

    def give_back(self) -> None:
        """Let the next one have it, at once."""
        with self._one_at_a_time:
            self._let_go()

    def close(self) -> None:
        """Give it back for good."""
        self._closed = True
        self.give_back()

    def _let_go(self) -> None:
        old, self._connection, self._held = self._connection, None, False
        if old is not None:
            with suppress(psycopg.Error):  # closing alone, the server would notice in its own time
                old.execute("SELECT pg_advisory_unlock_all()")
            old.close()


def _parameters() -> dict[str, Any]:
    parameters = {**connection.get_connection_params(), "connect_timeout": CONNECT_WITHIN}
    for name in ("pool", "cursor_factory", "context", "prepare_threshold"):
        parameters.pop(name, None)
    return parameters
