"""Races for rows, placed: one holds what the other needs, and everything is right afterwards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from integrations.calls import CallReport, Outcome, Phase
from integrations.errors import Answer, ProviderError, Reason
from integrations.models import Account
from telephony.dialer.advance import advance_run
from telephony.dialer.claims import claim
from telephony.dialer.ledger import take_numbers
from telephony.dialer.records import NOT_DIALLED, close_chunk, record_failure, record_submission, stop_runs
from telephony.dialer.runs import locked_run
from telephony.dialer.transitions import apply_reports
from telephony.models import Call, CallEvent, Chunk, ChunkStatus, Pacing, Run, RunStatus
from telephony.services import cancel_run
from tests.bells import Bells
from tests.dialer.provider import numbers
from tests.dialer.test_reports import PROCESSING, SETTLED
from tests.dialer.threads import Open, rivals, somebody_waits
from tests.dialer.truth import check_rows
from tests.factories import make_account, make_key, make_run, make_user, make_workspace

pytestmark = pytest.mark.django_db(transaction=True)


def dialling(size: int = 2, **fields: Any) -> Run:
    """A run whose numbers are all being dialled."""
    run = make_run(workspace=make_workspace(), numbers=numbers(size), max_concurrent=size, **fields)
    chunk = claim(run.pk, now=timezone.now())
    assert isinstance(chunk, int)
    record_submission(chunk, external_id="btcal_1", now=timezone.now())
    return run


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


def test_a_number_that_is_given_back_while_others_are_claimed_stays_pending() -> None:
    run = dialling(3, pacing=Pacing.CONTINUOUS)
    first, second, third = run.calls.order_by("pk")
    for call in (second, third):  # two lines are free, and the last number waits again
        apply_reports({call.pk: SETTLED if call == second else NOT_DIALLED}, now=timezone.now())
    with rivals() as start:

        def give_back(execute: Any, query: str, *rest: Any) -> Any:
            if query.startswith('UPDATE "telephony_recipient"'):  # which are claimed has been decided
                start(apply_reports, {first.pk: NOT_DIALLED}, now=timezone.now()).result(10)
            return execute(query, *rest)

        with connection.execute_wrapper(give_back):
            claim(run.pk, now=timezone.now())
    assert list(run.recipients.order_by("position").values_list("status", flat=True)) == [
        *("pending", "success", "in_flight")
    ]
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
