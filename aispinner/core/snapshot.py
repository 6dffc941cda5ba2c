"""Reading as of one moment: what is shown or compared together agrees with itself, whatever is written meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def one_snapshot() -> Iterator[None]:
    """Everything asked within is as of one moment, however long it takes; nothing can be written.

    Within a transaction that has begun before, it is as that one has it: PostgreSQL decides with its first statement.
    """
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield
