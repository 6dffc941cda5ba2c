"""Connections that threads keep: let go of when PostgreSQL has ended them, and closed with their thread."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.db import connection

from aispinner.serving import kept


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Nothing is found by looking for circles."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
def test_a_connection_ends_with_the_thread_that_keeps_it(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    own = _own_connection()
    circle = SimpleNamespace(connection=own)
    circle.itself = circle
    monkeypatch.setattr(kept, "connection", circle)

    def serve() -> None:
        kept.close_with_thread()
        kept.close_with_thread()
        assert not own.closed

    thread = threading.Thread(target=serve)
    thread.start()
    thread.join()
    assert own.closed


def test_a_connection_is_kept_while_nothing_comes_over_it_unasked(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with _own_connection() as own:
        wrapper = SimpleNamespace(connection=own, close=own.close)
        monkeypatch.setattr(kept, "connections", SimpleNamespace(all=lambda initialized_only: [wrapper]))
        own.execute("SELECT 1")
        kept.keep()
        assert not own.closed
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 9000)", [own.info.backend_pid])
        kept.keep()
        assert own.closed


def _own_connection() -> psycopg.Connection[Any]:
    parameters = connection.get_connection_params()
    names = {name: parameters[name] for name in ("host", "port", "user", "password", "dbname") if parameters.get(name)}
    return psycopg.connect(**names, autocommit=True)
