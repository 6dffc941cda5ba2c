"""Rows that other connections see."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker

KEPT = {"django_migrations", "django_content_type", "auth_permission", "telephony_sequence"}


@pytest.fixture
def committed(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """A database in which what a test writes is really committed; all of it is gone afterwards.

    Not `transactional_db`: it cannot empty tables that a swapped-out model's table still refers to, and would
    take the sequence's one row along.
    """
    with django_db_blocker.unblock():
        yield
        tables = set(connection.introspection.table_names()) - KEPT
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {', '.join(map(connection.ops.quote_name, sorted(tables)))} CASCADE")
        connection.close()
