"""Statements that come with every request: PostgreSQL parses and plans them once in a connection, not every time.

Django's cursors write the values into the text, so each text is new; and to plan a join of two small tables takes
PostgreSQL ten times as long as to answer it.
"""

from __future__ import annotations

from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.postgresql.base import ServerBindingCursor
from django.db.backends.utils import CursorWrapper


def prepared() -> CursorWrapper:
    """A cursor like `connection.cursor()`, for statements of which there are few and whose text stays the same."""
    connection: Any = connections[DEFAULT_DB_ALIAS]  # itself: each look through the proxy takes longer than all below
    connection.ensure_connection()
    if connection.queries_logged:  # with what was asked, which a prepared statement does not tell
        own: CursorWrapper = connection.cursor()
        return own
    make: Any = ServerBindingCursor
    cursor: CursorWrapper = connection.make_cursor(make(connection.connection))
    return cursor
