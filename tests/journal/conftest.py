"""Rows that other connections see."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from tests.conftest import empty_database


@pytest.fixture
def committed(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """A database in which what a test writes is really committed; all of it is gone afterwards."""
    with django_db_blocker.unblock():
        yield
        empty_database()
