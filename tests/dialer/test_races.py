"""Races that are placed, not hoped for: one holds what the other needs, and everything is right afterwards."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from aispinner.core.errors import Conflict
from integrations.calls import CallReport, Outcome, Phase
from integrations.errors import Answer, ProviderError, Reason
from integrations.models import Account
from telephony.dialer.advance import advance_run
from telephony.dialer.chunks import advance_chunk
from telephony.dialer.claims import claim
from telephony.dialer.ledger import take_numbers
from telephony.dialer.records import NOT_DIALLED, close_chunk, record_failure, record_submission, stop_runs
from telephony.dialer.runs import locked_run
from telephony.dialer.sweep import sweep
from telephony.dialer.transitions import apply_reports
from telephony.models import Call, CallEvent, Chunk, ChunkStatus, Run, RunStatus
from telephony.services import NewRecipient, cancel_run, pause_run, resume_run, start_run
from tests.bells import Bells
from tests.dialer.clock import later, now_due
from tests.dialer.provider import Provider, finish, look, numbers
from tests.dialer.test_reports import PROCESSING, SETTLED
from tests.dialer.threads import Open, eventually, rivals, somebody_waits
from tests.dialer.truth import check_rows
from tests.dialer.wire import SUBMIT, counting, holding
from tests.factories import make_account, make_key, make_run, make_user, make_workspace

pytestmark = pytest.mark.django_db(transaction=True)
ONE_BATCH = "/batch-calling/btcal_"


def dialling(size: int = 2, **fields: Any) -> Run:
    """A run whose numbers are all being dialled."""
    run = make_run(workspace=make_workspace(), numbers=numbers(size), max_concurrent=size, **fields)
    chunk = claim(run.pk, now=timezone.now())
    assert isinstance(chunk, int)
    record_submission(chunk, external_id="btcal_1", now=timezone.now())
    return run


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


def test_one_report_applied_twice_at_once_is_written_once() -> None:
    call = dialling().calls.order_by("pk")[0]
    with rivals() as start:
        first = Open(start, apply_reports, {call.pk: SETTLED}, now=timezone.now())
        second = start(apply_reports, {call.pk: SETTLED}, now=timezone.now())
        somebody_waits()
        first.commit()
        second.result(10)
    assert CallEvent.objects.filter(call=call, type="status", data__status="done").count() == 1
    check_rows()


def test_two_different_ends_at_once_are_one_end() -> None:
    call = dialling().calls.order_by("pk")[0]
    with rivals() as start:
        first = Open(start, apply_reports, {call.pk: NOT_DIALLED}, now=timezone.now())
        second = start(apply_reports, {call.pk: SETTLED}, now=timezone.now())
        somebody_waits()
        first.commit()
        second.result(10)
    call.refresh_from_db()
    assert (call.status, call.outcome, call.transcript) == ("cancelled", "cancelled", "[]")
    check_rows()


def test_two_different_ends_at_once_of_a_call_outside_any_campaign_are_one_end() -> None:
    template = dialling().calls.order_by("pk")[0]
    call = Call.objects.create(
        pk=10**9,
        version=10**9,
        workspace=template.workspace,
        account=template.account,
        direction="inbound",
        created_at=timezone.now(),
    )
    busy = CallReport(phase=Phase.ENDED, outcome=Outcome.BUSY, settled=True)
    with rivals() as start:
        first = Open(start, apply_reports, {call.pk: busy}, now=timezone.now())
        second = start(apply_reports, {call.pk: SETTLED}, now=timezone.now())
        somebody_waits()
        first.commit()
        second.result(10)
    call.refresh_from_db()
    assert (call.status, call.outcome) == ("failed", "busy")
    assert CallEvent.objects.filter(call=call, type="status").count() == 1


@pytest.mark.parametrize("report", [SETTLED, NOT_DIALLED], ids=["answered", "not dialled"])
@pytest.mark.parametrize("first", ["cancel", "news"])
def test_a_cancel_and_the_news_of_a_call_may_meet(bells: Bells, first: str, report: Any) -> None:
    run = dialling(3)
    one = run.calls.order_by("pk")[0]
    acts: dict[str, tuple[Any, dict[str, Any]]] = {
        "cancel": (cancel_run, {"run": run, "user": make_user()}),
        "news": (apply_reports, {"reports": {one.pk: report}, "now": timezone.now()}),
    }
    (do, arguments), (do_too, arguments_too) = acts.pop(first), *acts.values()
    with rivals() as start:
        held = Open(start, do, **arguments)
        other = start(do_too, **arguments_too)
        somebody_waits()
        held.commit()
        other.result(10)
    check_rows()
    for call in run.calls.exclude(pk=one.pk):
        apply_reports({call.pk: replace(SETTLED, conversation_id=f"conv_{call.pk}")}, now=timezone.now())
    close_chunk(run.chunks.get().pk, now=timezone.now())
    advance_run(run.pk)
    run.refresh_from_db()
    assert (run.status, run.finished_at is None) == (RunStatus.CANCELLED, False)
    assert set(run.recipients.values_list("status", flat=True)) == (
        {"success"} if report is SETTLED else {"success", "cancelled"}
    )
    check_rows()


def test_two_campaigns_that_claim_at_once_stay_within_their_accounts_limit() -> None:
    workspace = make_workspace()
    key = make_key(workspace=workspace, account=make_account(limit=4))
    one = make_run(workspace=workspace, key=key, numbers=numbers(9), max_concurrent=9)
    with rivals() as start:
        first = Open(start, claim, one.pk, now=timezone.now())  # takes all lines: there is nobody else yet
        other = make_run(workspace=workspace, key=key, numbers=numbers(9), max_concurrent=9)
        second = start(claim, other.pk, now=timezone.now())
        somebody_waits()
        first.commit()
        second.result(10)
    assert Call.objects.filter(ended_at=None).count() <= 4
    check_rows()


def test_two_calls_of_a_run_that_end_at_once_are_both_counted() -> None:
    one, other = dialling().calls.order_by("pk")
    with rivals() as start:
        first = Open(start, apply_reports, {one.pk: SETTLED}, now=timezone.now())
        second = start(apply_reports, {other.pk: replace(SETTLED, conversation_id="conv_2")}, now=timezone.now())
        somebody_waits()
        first.commit()
        second.result(10)
    check_rows()


def test_room_is_learned_by_one_after_the_other() -> None:
    run = dialling(4)
    account = run.account
    error = ProviderError(answer=Answer.NOT_DONE, reason=Reason.NO_CAPACITY)
    Chunk.objects.update(status=ChunkStatus.SUBMITTING)
    with rivals() as start:
        editing = Open(start, Account.objects.filter(pk=account.pk).update, concurrency_limit=1)
        learning = start(record_failure, run.chunks.get().pk, error, answer=error.answer, now=timezone.now())
        somebody_waits()
        editing.commit()
        learning.result(10)
    account.refresh_from_db()
    assert (account.concurrency_limit, account.learned_limit) == (1, 1), "learned more than the limit that was set"
    assert run.recipients.filter(status="pending").count() == 2


def test_numbers_become_visible_in_the_order_they_were_handed_out() -> None:
    one, other = (dialling(1).calls.get() for _ in range(2))  # they share nothing but the sequence
    with rivals() as start:
        first = Open(start, apply_reports, {one.pk: PROCESSING}, now=timezone.now())
        second = start(apply_reports, {other.pk: replace(PROCESSING, conversation_id="conv_2")}, now=timezone.now())
        somebody_waits()
        highest = Call.objects.latest("version").version
        assert not second.done(), "a later number was visible before an earlier one"
        first.commit()
        second.result(10)
    assert highest < Call.objects.get(pk=one.pk).version < Call.objects.get(pk=other.pk).version


def test_closing_a_chunk_and_late_news_of_its_calls_do_not_lock_each_other_out() -> None:
    run = dialling(1)
    call, chunk = run.calls.get(), run.chunks.get()
    apply_reports({call.pk: SETTLED}, now=timezone.now())
    late = replace(SETTLED, summary="They agreed after all.")
    with rivals() as start:
        numbering = Open(start, take_numbers, 1)
        news = start(apply_reports, {call.pk: late}, now=timezone.now())  # has the counters, waits for numbers
        somebody_waits()
        closing = start(close_chunk, chunk.pk, now=timezone.now())  # has the chunk, waits for the counters
        somebody_waits(rivals=2)
        numbering.commit()
        news.result(10)
        closing.result(10)
    chunk.refresh_from_db()
    assert chunk.status == ChunkStatus.DONE
    check_rows()


def test_a_used_up_quota_and_a_claim_do_not_lock_each_other_out() -> None:
    run = make_run(workspace=make_workspace())
    with rivals() as start:
        holding_run = Open(start, locked_run, run.pk)
        stopping = start(stop_runs, {run.pk: "quota_exhausted"}, now=timezone.now())
        somebody_waits()
        claiming = start(claim, run.pk, now=timezone.now())
        somebody_waits(rivals=2)
        holding_run.commit()
        stopping.result(10)
        claiming.result(10)
    run.refresh_from_db()
    assert run.status in {RunStatus.PAUSING, RunStatus.PAUSED}
    check_rows()


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
