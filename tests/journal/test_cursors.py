"""A reader that goes on from where it was told to sees every record, whatever commits when."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest
from django.db import connection, transaction

from aispinner.core.models import Workspace
from telephony.dialer.ledger import take_numbers
from telephony.journal.delta import Cursor, Order, next_point, read_mark
from telephony.journal.filters import Filters
from telephony.journal.page import Journal, read_journal
from telephony.journal.scope import scope_of_workspaces
from telephony.models import Call, RunProgress, RunStatus
from tests.factories import make_run, make_workspace
from tests.journal.rows import change, make_call


def read(workspace: Workspace, *, order: Order = Order.NEWEST, at: int | None = None, limit: int = 200) -> Journal:
    return read_journal(
        scopes=scope_of_workspaces([workspace]), filters=Filters(), cursor=Cursor(order=order, at=at), limit=limit
    )


def ids(journal: Journal) -> list[int]:
    return [call.id for call in journal.calls]


@contextmanager
def in_thread(work: Callable[[], None]) -> Iterator[Thread]:
    """`work` on a connection of its own."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = Thread(target=run, daemon=True)
    thread.start()
    yield thread
    thread.join(timeout=20)
    assert not thread.is_alive()


def until_somebody_waits() -> None:
    """Until the database holds a request for a lock that is taken."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
    raise AssertionError("nobody waits")


class HeldWriter:
    """Writes a call and keeps its transaction, and with it the sequence row, until told to commit."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace, self.written, self.may_commit = workspace, Event(), Event()
        self.id = 0

    def __call__(self) -> None:
        with transaction.atomic():
            self.id = make_call(workspace=self.workspace).id
            self.written.set()
            assert self.may_commit.wait(timeout=20)


@pytest.fixture
def shared_workspace(committed: None) -> Workspace:
    """A workspace that other connections see."""
    return make_workspace()


def test_a_record_written_while_the_reader_polls_is_delivered_by_the_next_poll(shared_workspace: Workspace) -> None:
    before = make_call(workspace=shared_workspace)
    writer = HeldWriter(shared_workspace)
    with in_thread(writer):
        assert writer.written.wait(timeout=20)

        for order in (Order.ID, Order.VERSION):
            polled = read(shared_workspace, order=order, at=before.id - 1)
            assert ids(polled) == [before.id]
            assert polled.point.max_id < writer.id
            assert polled.point.max_version < writer.id

        writer.may_commit.set()
    for order in (Order.ID, Order.VERSION):
        assert ids(read(shared_workspace, order=order, at=polled.point.max_id)) == [writer.id]


def test_a_second_writer_waits_so_that_its_higher_number_is_never_seen_first(shared_workspace: Workspace) -> None:
    first, second = HeldWriter(shared_workspace), HeldWriter(shared_workspace)
    second.may_commit.set()
    with in_thread(first):
        assert first.written.wait(timeout=20)
        with in_thread(second):
            until_somebody_waits()
            assert not second.written.is_set()
            polled = read(shared_workspace, order=Order.ID, at=0)
            assert ids(polled) == []
            first.may_commit.set()
    assert first.id < second.id
    assert ids(read(shared_workspace, order=Order.ID, at=polled.point.max_id)) == [first.id, second.id]


def test_four_writers_and_a_polling_reader_lose_nothing(shared_workspace: Workspace) -> None:
    def write() -> None:
        for _ in range(25):
            make_call(workspace=shared_workspace)

    seen: dict[Order, list[int]] = {Order.ID: [], Order.VERSION: []}
    at = dict.fromkeys(seen, read_mark())

    def poll() -> None:
        for order in seen:
            journal = read(shared_workspace, order=order, at=at[order], limit=7)
            seen[order] += ids(journal)
            at[order] = journal.point.max_id if order is Order.ID else journal.point.max_version

    with in_thread(write) as a, in_thread(write) as b, in_thread(write) as c, in_thread(write) as d:
        threads = [a, b, c, d]
        while any(thread.is_alive() for thread in threads):
            poll()
    for _ in range(20):
        poll()
    every = list(Call.objects.order_by("pk").values_list("pk", flat=True))
    assert len(every) == 100
    assert seen == {Order.ID: every, Order.VERSION: every}


@pytest.mark.django_db
def test_the_newest_page_starts_with_the_last_call_and_says_where_to_go_on() -> None:
    workspace = make_workspace()
    calls = [make_call(workspace=workspace) for _ in range(5)]
    journal = read(workspace, limit=3)
    assert ids(journal) == [call.id for call in reversed(calls[2:])]
    assert journal.has_more
    assert journal.point.max_id == journal.point.max_version == read_mark() == calls[-1].id


@pytest.mark.django_db
def test_older_pages_follow_and_end() -> None:
    workspace = make_workspace()
    calls = [make_call(workspace=workspace) for _ in range(5)]
    second = read(workspace, at=calls[3].id, limit=2)
    third = read(workspace, at=second.calls[-1].id, limit=2)
    assert ids(second) + ids(third) == [calls[2].id, calls[1].id, calls[0].id]
    assert (second.has_more, third.has_more) == (True, False)


@pytest.mark.django_db
def test_going_on_from_an_older_page_skips_nothing_newer() -> None:
    workspace = make_workspace()
    calls = [make_call(workspace=workspace) for _ in range(4)]
    older = read(workspace, at=calls[1].id)
    assert ids(read(workspace, order=Order.ID, at=older.point.max_id)) == [call.id for call in calls[1:]]
    assert ids(read(workspace, order=Order.VERSION, at=older.point.max_version)) == [call.id for call in calls[1:]]


@pytest.mark.django_db
def test_a_cut_delta_goes_on_after_the_last_that_it_delivered() -> None:
    workspace = make_workspace()
    calls = [make_call(workspace=workspace) for _ in range(5)]
    first = read(workspace, order=Order.ID, at=0, limit=3)
    second = read(workspace, order=Order.ID, at=first.point.max_id, limit=3)
    assert first.has_more
    assert first.point.max_id == calls[2].id
    assert ids(first) + ids(second) == [call.id for call in calls]
    assert not second.has_more
    assert second.point.max_id == read_mark()


@pytest.mark.django_db
def test_a_change_is_delivered_by_version_and_not_by_id() -> None:
    workspace = make_workspace()
    call, other = make_call(workspace=workspace), make_call(workspace=workspace)
    mark = read_mark()
    change(call, summary="They agreed.")
    assert ids(read(workspace, order=Order.ID, at=mark)) == []
    [delivered] = read(workspace, order=Order.VERSION, at=mark).calls
    assert (delivered.id, delivered.summary) == (call.id, "They agreed.")
    assert other.id not in ids(read(workspace, order=Order.VERSION, at=mark))


@pytest.mark.django_db
def test_a_record_changed_between_two_pages_of_changes_comes_once_more_and_in_its_last_state() -> None:
    workspace = make_workspace()
    calls = [make_call(workspace=workspace) for _ in range(4)]
    first = read(workspace, order=Order.VERSION, at=0, limit=2)
    change(calls[0], summary="late")
    change(calls[3], summary="late")
    rest = read(workspace, order=Order.VERSION, at=first.point.max_version)
    assert [(call.id, call.summary) for call in rest.calls] == [
        (calls[2].id, ""),
        (calls[0].id, "late"),
        (calls[3].id, "late"),
    ]


@pytest.mark.django_db
def test_from_a_cut_page_of_changes_no_undelivered_record_lies_below_the_id_to_go_on_from() -> None:
    workspace = make_workspace()
    calls = [make_call(workspace=workspace) for _ in range(3)]
    change(calls[0])
    first = read(workspace, order=Order.VERSION, at=0, limit=1)
    assert ids(first) == [calls[1].id]
    assert ids(read(workspace, order=Order.ID, at=first.point.max_id)) == [call.id for call in calls]


@pytest.mark.django_db
def test_a_reader_that_is_ahead_of_the_sequence_is_called_back() -> None:
    workspace = make_workspace()
    make_call(workspace=workspace)
    journal = read(workspace, order=Order.ID, at=10**12)
    assert ids(journal) == []
    assert journal.point.max_id == read_mark()


@pytest.mark.django_db
def test_runs_changed_since_the_cursor_are_told_even_without_calls() -> None:
    workspace = make_workspace()
    run = make_run(workspace=workspace)
    ended = make_run(workspace=workspace, status=RunStatus.COMPLETED, finished_at=run.started_at)
    mark = read_mark()
    assert [row.run_id for row in read(workspace, order=Order.ID, at=mark).campaigns] == [run.pk]
    with transaction.atomic():
        numbers, _ = take_numbers(1)
        RunProgress.objects.filter(pk=ended.pk).update(version=next(numbers))
    for order in (Order.ID, Order.VERSION):
        journal = read(workspace, order=order, at=mark)
        assert {row.run_id for row in journal.campaigns} == {run.pk, ended.pk}
        assert [row.run_id for row in read(workspace, order=order, at=journal.point.max_id).campaigns] == [run.pk]


@pytest.mark.parametrize("order", [Order.ID, Order.VERSION])
def test_an_empty_delta_goes_on_from_the_mark(order: Order) -> None:
    point = next_point(cursor=Cursor(order=order, at=7), mark=9, cut=False, last=None)
    assert (point.max_id, point.max_version) == (9, 9)
