"""Databases beside the one that `./dev bench` starts with: made from it, led to for a while, and gone with it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import urlsplit

from django.db import connection, connections
from psycopg import connect, sql

Answer = TypeVar("Answer")
MIGRATED = "bench_migrated"  # the tables, and nothing in them


def keep_template() -> None:
    """Keep the tables as they are after migrating: every data set begins with them."""
    name = connection.settings_dict["NAME"]
    _close()
    _in_postgres(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(MIGRATED), sql.Identifier(name)))


def create(name: str) -> None:
    """A database with empty tables."""
    _in_postgres(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(MIGRATED)))


def drop(name: str) -> None:
    """Gone, whoever still looks at it."""
    _in_postgres(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


async def in_a_thread(ask: Callable[..., Answer], *arguments: Any) -> Answer:
    """What `ask` answers, asked beside the event loop; the thread's connection goes back to the pool."""

    def work() -> Answer:
        try:
            return ask(*arguments)
        finally:
            connections.close_all()

    return await asyncio.to_thread(work)


@contextlib.contextmanager
def using(name: str) -> Iterator[None]:
    """Within, Django and every process that is started lead to this database."""
    before, url = connection.settings_dict["NAME"], os.environ["DATABASE_URL"]
    _lead_to(name, urlsplit(url)._replace(path=f"/{name}").geturl())
    try:
        yield
    finally:
        _lead_to(before, url)


@contextlib.contextmanager
def fresh(name: str) -> Iterator[None]:
    """An empty database to work in, gone afterwards."""
    drop(name)
    create(name)
    try:
        with using(name):
            yield
    finally:
        drop(name)


def _lead_to(name: str, url: str) -> None:
    _close()
    connection.settings_dict["NAME"] = name
    os.environ["DATABASE_URL"] = url


def _close() -> None:
    connections.close_all()
    pooled: Any = connection
    pooled.close_pool()


def _in_postgres(statement: sql.Composed) -> None:
    parameters = connection.get_connection_params()
    names = {name: parameters[name] for name in ("host", "port", "user", "password") if parameters.get(name)}
    with connect(dbname="postgres", autocommit=True, **names) as own:
        own.execute(statement)
