"""Who holds a PBX: a PostgreSQL advisory lock on a connection of its own, which dies with the process that has it."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import psycopg
from django.db import connection

CONNECT_WITHIN = 2  # seconds
# A holder whose machine is gone loses the lock when the server has missed so many of its signs of life.
_NOTICE_DEATH = "SET tcp_keepalives_idle = 3; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3"


class Lease:
    """The right to hold what is called `name`. Used by one thread at a time."""

    def __init__(self, name: str) -> None:
        self._key = int.from_bytes(sha256(f"lease:{name}".encode()).digest()[:8], "big", signed=True)
        self._connection: psycopg.Connection[Any] | None = None

    def take(self) -> bool | None:
        """Take it if it is free; None where the database is away, and nobody knows."""
        try:
            if self._connection is None:
                self._connection = psycopg.connect(**_parameters(), autocommit=True)
                self._connection.execute(_NOTICE_DEATH)
            row = self._connection.execute("SELECT pg_try_advisory_lock(%s)", [self._key]).fetchone()
        except psycopg.Error:
            self.give_back()
            return None
        return row is not None and bool(row[0])

    def is_held(self) -> bool:
        """Whether it is still ours: as long as its connection lives."""
        try:
            return self._connection is not None and self._connection.execute("SELECT 1").fetchone() is not None
        except psycopg.Error:
            self.give_back()
            return False

    def give_back(self) -> None:
        """Let the next one have it, at once."""
        held, self._connection = self._connection, None
        if held is not None:
            held.close()


def _parameters() -> dict[str, Any]:
    parameters = {**connection.get_connection_params(), "connect_timeout": CONNECT_WITHIN}
    for name in ("pool", "cursor_factory", "context", "prepare_threshold"):
        parameters.pop(name, None)
    return parameters
