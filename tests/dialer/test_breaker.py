"""A campaign whose calls keep failing at the provider stops itself, and says why; busy callees are no failure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from django.utils import timezone
from pytest_django import Settings

from integrations.calls import CallReport, Outcome, Phase
from telephony.dialer.advance import advance_run
from telephony.dialer.breaker import KEPT, Breaker, mark, remember
from telephony.dialer.claims import claim
from telephony.dialer.records import LOST_SIGHT, NOT_DIALLED, close_chunk, record_submission
from telephony.dialer.transitions import apply_reports
from telephony.models import CallEvent, ChunkStatus, Run, RunProgress, RunStatus
from telephony.services import resume_run
from tests.dialer.provider import numbers
from tests.dialer.truth import check_rows
from tests.factories import make_run, make_user, make_workspace

USUAL = Breaker(in_a_row=10, window=20, percent=50)
BROKEN = CallReport(phase=Phase.ENDED, outcome=Outcome.ERROR, reason="sip_503", settled=True)
BUSY = CallReport(phase=Phase.ENDED, outcome=Outcome.BUSY, settled=True)


@pytest.mark.parametrize(
    ("recent", "trips"),
    [
        ("", False),
        ("x" * 9, False),
        ("x" * 10, True),
        ("." + "x" * 10, True),
        ("x" * 10 + ".", False),
        ("x." * 10, False),  # half is not more than half
        ("x." * 9 + "xx", True),
        ("x" * 9 + "." + "xx" + "." * 8, True),
        ("xx.xx.xx", False),  # too few to tell
        ("x" * 9 + "." * 20, False),  # long ago
    ],
)
def test_it_trips_on_many_in_a_row_or_on_more_than_half_of_the_last(recent: str, trips: bool) -> None:
    assert USUAL.is_tripped(recent) is trips


def test_either_rule_can_be_switched_off() -> None:
    assert not Breaker(in_a_row=0, window=20, percent=60).is_tripped("x" * 10)
    assert not Breaker(in_a_row=30, window=0, percent=50).is_tripped("x" * 29)


@pytest.mark.parametrize("outcome", Outcome.values)
def test_only_what_failed_before_a_phone_rang_is_a_failure(outcome: str) -> None:
    assert (mark(outcome) == "x") == (outcome in {"error", "congestion"})


def test_only_the_latest_endings_are_remembered() -> None:
    assert remember("x" * KEPT, "..") == "x" * (KEPT - 2) + ".."


def dialling(size: int, *, more: int) -> Run:
    """A run with `size` calls up and `more` numbers to come."""
    run = make_run(
        workspace=make_workspace(), numbers=numbers(size + more), max_concurrent=size, next_at=timezone.now()
    )
    place(run)
    return run


def place(run: Run) -> None:
    chunk = claim(run.pk, now=timezone.now())
    assert isinstance(chunk, int)
    record_submission(chunk, external_id="btcal_1", now=timezone.now())


def end(run: Run, *reports: CallReport) -> None:
    """The calls that are up end like this, in their order."""
    up = run.calls.filter(ended_at=None).order_by("pk").values_list("pk", flat=True)
    apply_reports(dict(zip(up, reports, strict=False)), now=timezone.now())
    for chunk in run.chunks.filter(status=ChunkStatus.DIALING):
        if not chunk.calls.filter(ended_at=None).exists():
            close_chunk(chunk.pk, now=timezone.now())


def stop_and_rest(run: Run) -> None:
    for _ in range(2):
        advance_run(run.pk)


@pytest.mark.django_db
def test_a_run_that_fails_at_the_provider_pauses_with_the_evidence() -> None:
    run = dialling(12, more=5)
    end(run, BUSY, BUSY, *[BROKEN] * 7, *[LOST_SIGHT] * 3)
    stop_and_rest(run)
    run.refresh_from_db()
    assert (run.status, run.wait_reason) == (RunStatus.PAUSED, "breaker")
    assert run.recipients.filter(status="pending").count() == 5
    data = CallEvent.objects.get(type="run.pausing").data
    assert (data["reason"], data["failed"], data["of"]) == ("breaker", 10, 12)
    assert data["reasons"] == {"sip_503": 7, "lost_sight": 3}
    assert datetime.fromisoformat(data["since"]) <= timezone.now()
    check_rows()


@pytest.mark.django_db
def test_busy_callees_and_calls_that_were_never_dialled_stop_nothing() -> None:
    run = dialling(20, more=20)
    end(run, *[BUSY] * 10, *[NOT_DIALLED] * 10)
    assert isinstance(claim(run.pk, now=timezone.now()), int)
    assert RunProgress.objects.get().recent == "." * 10


@pytest.mark.django_db
def test_resuming_counts_anew() -> None:
    run = dialling(10, more=20)
    end(run, *[BROKEN] * 10)
    stop_and_rest(run)
    run = resume_run(run=Run.objects.get(), user=make_user())
    place(run)
    end(run, *[replace(BROKEN, reason="sip_500")] * 9, BUSY)
    assert isinstance(claim(run.pk, now=timezone.now()), int)
    assert RunProgress.objects.get().recent == "x" * 9 + "."
    check_rows()


@pytest.mark.django_db
def test_a_run_with_nothing_left_to_dial_is_completed_however_its_calls_ended() -> None:
    run = dialling(10, more=0)
    end(run, *[BROKEN] * 10)
    advance_run(run.pk)
    run.refresh_from_db()
    assert (run.status, run.wait_reason) == (RunStatus.COMPLETED, "")


@pytest.mark.django_db
def test_how_many_failures_are_too_many_is_a_setting(settings: Settings) -> None:
    settings.BREAKER_IN_A_ROW = 3
    run = dialling(3, more=1)
    end(run, *[BROKEN] * 3)
    advance_run(run.pk)
    run.refresh_from_db()
    assert run.wait_reason == "breaker"
