"""A process that stalls in the middle of a transaction keeps nobody waiting: PostgreSQL ends it, and its locks go."""

from __future__ import annotations

import pytest
from django.db import Error, connection, transaction

from telephony.dialer.ledger import take_numbers
from tests.dialer.threads import rivals


@pytest.mark.django_db
def test_every_connection_asks_for_it() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        assert cursor.fetchone() == ("30s",)


@pytest.mark.django_db(transaction=True)
def test_others_go_on_and_the_stalled_one_learns_that_its_work_is_undone() -> None:
    with rivals() as start, pytest.raises(Error, match="idle-in-transaction"), transaction.atomic():
        first, _ = take_numbers(1)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '300ms'")
        waiting = start(take_numbers, 1)
        numbers, _ = waiting.result(20)  # we stall here, with the sequence locked
        assert next(numbers) == next(first), "what we took was given back"
        take_numbers(1)
    connection.close()
