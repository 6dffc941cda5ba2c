"""What is taken from the rows is placed or given back, whatever breaks; a PBX passes from holder to holder."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, cast

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from integrations.asterisk.client import Ari, Login, open_ari
from telephony.models import Call, Chunk, Dial, PbxLink, RunStatus
from telephony.voice.lines import rows
from telephony.voice.lines.book import Book
from telephony.voice.lines.lease import Lease
from telephony.voice.lines.placing import Placing
from telephony.voice.lines.providers import Pbx, account_name, digest_of, pbxes
from telephony.voice.lines.told import end_unseen
from telephony.voice.threads import aside
from tests.bells import Bells
from tests.dialer.provider import finish, look, numbers
from tests.dialer.threads import Open, rivals, somebody_waits
from tests.dialer.truth import check_rows
from tests.lines.house import House, holding, until_up, wait_for

_END_LEASES = """
SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database d ON d.oid = database
 WHERE locktype = 'advisory' AND pid <> pg_backend_pid() AND datname = current_database()
"""  # tests side by side share the server


def hold_the_link() -> None:
    PbxLink.objects.select_for_update().get()


def test_a_socket_that_breaks_while_rows_are_taken_gives_them_back(house: House, bells: Bells) -> None:
    run = house.campaign(numbers(2))
    [pbx] = pbxes()
    rows.link_up(pbx.account_id, session="sock_1", login=digest_of(pbx.login), version="")
    look(bells)
    with rivals() as start:
        link = Open(start, hold_the_link)
        asyncio.run(break_while_taking(pbx, link))
    assert set(Dial.objects.values_list("status", "call__reason")) == {("withdrawn", "not_dialled")}
    run.refresh_from_db()
    assert (run.progress.pending, run.progress.in_flight) == (2, 0)
    check_rows()


async def break_while_taking(pbx: Pbx, link: Open) -> None:
    book = Book(session="sock_1", ari=cast("Ari", None), pbx=pbx)  # nothing is asked over it
    placing = asyncio.create_task(Placing(book, bell=asyncio.Event()).run())
    await aside(somebody_waits)
    placing.cancel()
    await aside(link.commit)
    await asyncio.gather(placing, return_exceptions=True)
    await book.close()


def hold_the_chunk() -> None:
    Chunk.objects.select_for_update().get()


def test_the_end_of_a_call_is_written_before_its_chunk_is_waited_for(house: House, bells: Bells) -> None:
    house.campaign(numbers(1))
    [pbx] = pbxes()
    rows.link_up(pbx.account_id, session="sock_1", login=digest_of(pbx.login), version="")
    look(bells)
    [taken] = rows.take(pbx.account_id, session="sock_1", most={next(iter(pbx.providers)): 1})
    taken.dial.answered_at = timezone.now()
    end_unseen(taken.dial, now=timezone.now())
    Chunk.objects.update(next_at=timezone.now() + timedelta(minutes=1))
    with rivals() as start:
        chunk = Open(start, hold_the_chunk)
        written = start(rows.write, pbx.account_id, session="sock_1", dials=[taken.dial], stops={})
        somebody_waits()
        ended = Call.objects.get().outcome  # who waited with its counters in hand would meet a pause
        chunk.commit()
        written.result()
    assert ended == "answered"
    assert Chunk.objects.filter(next_at__lt=timezone.now() + timedelta(seconds=10)).exists()


def test_rows_whose_taking_was_never_answered_for_are_given_back(
    house: House, bells: Bells, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[int] = []

    def take(*args: Any, **named: Any) -> list[rows.Taken]:
        taken = rows.take(*args, **named)
        if taken and not lost:
            lost.extend(each.dial.pk for each in taken)
            raise OperationalError("the connection broke before the commit was answered")
        return taken

    monkeypatch.setattr("telephony.voice.lines.placing.rows", Rows(take))
    house.script(["*"], outcome="answered", talk_secs=5)
    called = numbers(2)
    run = house.campaign(called)
    with holding():
        until_up()
        finish(bells, run)
    assert lost
    assert house.dialled() == called
    assert set(Call.objects.filter(pk__in=lost).values_list("reason", flat=True)) == {"not_dialled"}
    check_rows()


class Rows:
    """`rows`, over a connection that breaks."""

    def __init__(self, take: Any) -> None:
        self.take = take

    def __getattr__(self, name: str) -> Any:
        return getattr(rows, name)


def test_a_pbx_that_does_not_say_what_became_of_an_originate_is_asked_until_it_does(
    house: House, bells: Bells, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrations.asterisk.client.ANSWER_WITHIN", 0.2)
    monkeypatch.setattr("telephony.voice.lines.placing.LOOKS_AFTER_UNKNOWN", (0.01, 0.01))
    called = numbers(1)
    house.script(["*"], outcome="answered", talk_secs=5)
    silent = [{"fault": "hold", "endpoint": f"{method} /channels/*", "when": "before"} for method in ("POST", "GET")]
    house.control("faults", {"rules": [{**silent[0], "times": 1}, {**silent[1], "times": 2}]})
    run = house.campaign(called)
    with holding():
        until_up()
        finish(bells, run, into=(RunStatus.PAUSED,))
    run.refresh_from_db()
    assert (run.wait_reason, run.progress.pending, house.placed()) == ("pbx_down", 1, [])
    assert not Dial.objects.filter(status="dialing").exists()
    check_rows()


def test_a_holder_that_another_of_ours_has_replaced_stands_by(house: House, bells: Bells) -> None:
    called = numbers(1)
    run = house.campaign(called)
    login = Login(url=house.url, app="aispinner", username="aispinner", password="aispinner")
    other = Lease(f"pbx:{account_name(login)}")

    async def replace() -> None:
        async with open_ari(login):
            await asyncio.sleep(0.5)  # long enough for the first to be told, and to look at its lease

    with holding():
        until_up()
        first = PbxLink.objects.get().session
        while not other.take():
            end_leases()
        asyncio.run(replace())
        assert PbxLink.objects.get().problem != "pbx_taken"
        other.close()
        wait_for(lambda: PbxLink.objects.exclude(session__in=["", first]).exists())
        finish(bells, run)
    assert house.dialled() == called


def end_leases() -> None:
    """As a restart of the database does."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_END_LEASES)
