"""Races at the wire, placed: workers, pauses, cancels and sweeps that want one run or one chunk at the same moment."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from aispinner.core.errors import Conflict
from telephony.dialer import advance, chunks
from telephony.dialer.advance import advance_run
from telephony.dialer.chunks import advance_chunk
from telephony.dialer.claims import claim
from telephony.dialer.records import record_submission
from telephony.dialer.sweep import sweep
from telephony.models import CallEvent, Chunk, ChunkStatus, Run, RunStatus
from telephony.services import NewRecipient, cancel_run, pause_run, resume_run, start_run
from tests.bells import Bells
from tests.dialer.clock import later, now_due
from tests.dialer.provider import Provider, finish, look, numbers
from tests.dialer.threads import Open, eventually, rivals, somebody_waits
from tests.dialer.truth import check_rows
from tests.dialer.wire import SUBMIT, counting, holding
from tests.factories import make_run, make_user, make_workspace

pytestmark = pytest.mark.django_db(transaction=True)
ONE_BATCH = "/batch-calling/btcal_"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who finds a run's lock taken does not wait for it for long."""
    for module in (advance, chunks):
        monkeypatch.setattr(module, "BRIEFLY", timedelta(milliseconds=50))


def looks_at_the_wire() -> list[Any]:
    """When whoever holds a run's lock has last asked whether a submission may still be on its way."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT query_start FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE datname = current_database()"
            " AND locktype = 'advisory' AND granted AND query LIKE '%submitted_at%'"
        )
        return [asked for (asked,) in cursor.fetchall()]


def test_two_workers_on_one_run_submit_once(provider: Provider, bells: Bells) -> None:
    run = provider.campaign(max_concurrent=3)
    with rivals() as start, holding(at=SUBMIT) as held, counting(at=SUBMIT) as submitted:
        first = start(advance_run, run.pk)
        assert held.arrived.wait(10)
        second = start(advance_run, run.pk)
        somebody_waits()
        held.let_go()
        first.result(10)
        second.result(10)
    assert len(submitted) == len(provider.batches()) == 1
    finish(bells, run)
    assert len(provider.dialled()) == 3
    check_rows()


@pytest.mark.usefixtures("impatient")
def test_a_worker_that_stalls_just_before_its_request_is_waited_for_however_long_it_takes(
    provider: Provider, bells: Bells
) -> None:
    called = numbers(3)
    run = provider.campaign(called, max_concurrent=3)
    with rivals() as start, holding(at=SUBMIT) as held:
        stalled = start(advance_run, run.pk)
        assert held.arrived.wait(10)
        chunk_id = run.chunks.get().pk
        for _ in range(3):
            later(minutes=5)
            advance_chunk(chunk_id)
            assert run.chunks.get().status == ChunkStatus.SUBMITTING, "given up while its request may still be sent"
        held.let_go()
        stalled.result(10)
    finish(bells, run)
    assert provider.dialled() == called
    assert len(provider.batches()) == 1
    check_rows()


def test_a_worker_that_has_stalled_for_longer_than_a_request_takes_does_not_send_it(
    provider: Provider, bells: Bells, settings: Settings
) -> None:
    run = provider.campaign(max_concurrent=3)
    settings.ELEVENLABS_CONNECT_TIMEOUT = settings.ELEVENLABS_READ_TIMEOUT = -1  # it is too late when it begins
    with counting(at=SUBMIT) as sent:
        advance_run(run.pk)
    assert sent == []
    assert run.chunks.get().status == ChunkStatus.RATE_LIMITED
    settings.ELEVENLABS_CONNECT_TIMEOUT = settings.ELEVENLABS_READ_TIMEOUT = 20
    later(minutes=2)
    finish(bells, run)
    assert len(provider.dialled()) == 3
    check_rows()


@pytest.mark.parametrize("stop", [pause_run, cancel_run])
def test_a_stop_waits_for_the_submission_on_the_wire_and_then_nothing_is_submitted(
    provider: Provider, bells: Bells, stop: Any
) -> None:
    called = numbers(9)
    provider.script(called, outcome="stuck")
    run = provider.campaign(called, max_concurrent=3, pacing="continuous")
    with rivals() as start, holding(at=SUBMIT) as held:
        worker = start(advance_run, run.pk)
        assert held.arrived.wait(10)
        stopping = start(stop, run=Run.objects.get(), user=make_user())
        somebody_waits()
        assert not stopping.done()
        held.let_go()
        assert stopping.result(10).status in {RunStatus.PAUSING, RunStatus.CANCELLED}
        worker.result(10)
    with counting(at=SUBMIT) as submitted:
        for _ in range(3):
            look(bells)
        advance_run(run.pk)
    assert submitted == []
    assert len(provider.batches()) == 1
    check_rows()


def test_a_pause_waits_for_what_a_dead_worker_may_have_on_the_wire(provider: Provider) -> None:
    run = provider.campaign(max_concurrent=3)
    claim(run.pk, now=timezone.now())  # and the worker dies, with a request that may still arrive
    with rivals() as start:
        pausing = start(pause_run, run=Run.objects.get(), user=make_user())
        eventually(lambda: bool(looks_at_the_wire()))
        before = looks_at_the_wire()
        eventually(lambda: bool(set(looks_at_the_wire()) - set(before)))
        assert not pausing.done()
        assert Run.objects.get().status == RunStatus.RUNNING
        later(minutes=1)
        assert pausing.result(10).status == RunStatus.PAUSING


def test_starting_on_one_node_twice_at_once_is_one_campaign_and_one_conflict(provider: Provider) -> None:
    template = provider.campaign(status=RunStatus.PAUSED)
    node, user = template.node, make_user()
    node.connections.add(template.agent.node)

    def go() -> Run:
        recipients = [NewRecipient(number=number) for number in numbers(2)]
        return start_run(user=user, workspace=template.workspace, node=node, recipients=recipients)

    with rivals() as start:
        first = Open(start, go)
        second = start(go)
        somebody_waits()
        run = first.commit()
        with pytest.raises(Conflict, match=run.call_id):
            second.result(10)
    assert set(Run.objects.values_list("pk", flat=True)) == {template.pk, run.pk}


def test_resuming_twice_at_once_resumes_once() -> None:
    run = make_run(workspace=make_workspace(), status=RunStatus.PAUSED)
    user = make_user()
    with rivals() as start:
        first = Open(start, resume_run, run=run, user=user)
        second = start(resume_run, run=run, user=user)
        somebody_waits()
        assert first.commit().status == RunStatus.RUNNING
        with pytest.raises(Conflict):
            second.result(10)
    assert CallEvent.objects.filter(type="run.resumed").count() == 1


def test_two_sweeps_at_once_share_the_rows_and_neither_waits(bells: Bells) -> None:
    runs = [make_run(workspace=make_workspace(), next_at=timezone.now()) for _ in range(3)]
    with rivals() as start:
        first = Open(start, sweep, now=timezone.now())
        assert start(sweep, now=timezone.now()).result(10) == 0
        assert first.commit() == 3
    assert sorted(bell.args[0] for bell in bells.rung) == [run.pk for run in runs]


def test_a_chunk_is_asked_about_by_one_worker_at_a_time(provider: Provider) -> None:
    run = provider.campaign(max_concurrent=3)
    advance_run(run.pk)
    now_due()
    chunk = run.chunks.get()
    with rivals() as start, counting(at=ONE_BATCH) as asked, holding(at=ONE_BATCH) as held:
        first = start(advance_chunk, chunk.pk)
        assert held.arrived.wait(10)
        start(advance_chunk, chunk.pk).result(10)
        assert asked == []
        held.let_go()
        first.result(10)
    assert len(asked) == 1


def test_a_pause_while_a_chunk_is_asked_about_takes_the_rest_back_at_once(provider: Provider, bells: Bells) -> None:
    called = numbers(4)
    provider.allow(1)
    provider.script(called, outcome="stuck")
    run = provider.campaign(called, max_concurrent=4)
    advance_run(run.pk)
    now_due()
    with rivals() as start, holding(at=ONE_BATCH) as held:
        asking = start(advance_chunk, run.chunks.get().pk)
        assert held.arrived.wait(10)
        pause_run(run=Run.objects.get(), user=make_user())
        held.let_go()
        asking.result(10)
    bells.answer()
    assert [batch["status"] for batch in provider.batches()] == ["cancelled"]


@pytest.mark.usefixtures("impatient")
def test_a_worker_that_finds_the_lock_taken_for_long_gives_way(provider: Provider, bells: Bells) -> None:
    run = provider.campaign(numbers(6), max_concurrent=3, pacing="continuous")
    with rivals() as start, holding(at=SUBMIT) as held:
        first = start(advance_run, run.pk)
        assert held.arrived.wait(10)
        advance_run(run.pk)  # waits, and goes away without having done anything
        assert Chunk.objects.count() == 1
        held.let_go()
        first.result(10)
    finish(bells, run)
    assert len(provider.dialled()) == 6


def test_a_chunk_that_is_found_while_another_gives_it_up_stays_found(provider: Provider, bells: Bells) -> None:
    called = numbers(3)
    run = provider.campaign(called, max_concurrent=3)
    provider.at_submit("internal_error")
    advance_run(run.pk)
    later(minutes=2)
    advance_chunk(run.chunks.get().pk)
    later(minutes=2)
    chunk = run.chunks.get()
    with rivals() as start, holding(at="user_id=") as held:
        blank = start(advance_chunk, chunk.pk)  # has seen the batches; its second look will be blank
        assert held.arrived.wait(10)
        record_submission(chunk.pk, external_id="btcal_late", now=timezone.now())
        held.let_go()
        blank.result(10)
    chunk.refresh_from_db()
    assert (chunk.status, chunk.external_id) == (ChunkStatus.DIALING, "btcal_late")
    assert run.recipients.filter(status="in_flight").count() == 3
    assert chunk.next_at is not None
    assert chunk.next_at < timezone.now() + timedelta(minutes=1)
    check_rows()
