"""The last third of every submission: what the provider answered, written down."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.utils import timezone

from aispinner.core.crash_points import Point, reach
from integrations.calls import CallReport, Outcome, Phase
from integrations.errors import Answer, ProviderError, Reason
from integrations.models import Account
from integrations.services import forget_registration, mark_key_refused, newest_working_key
from telephony.dialer.bell import ring_chunks, ring_runs
from telephony.dialer.pacing import backoff, poll_delay
from telephony.dialer.runs import change_run, locked_run, stop_run
from telephony.dialer.transitions import LOST, apply_reports
from telephony.models import Call, Chunk, ChunkStatus, Run, RunProgress, RunStatus

log = structlog.get_logger(__name__)

KEPT_AT_MOST = timedelta(seconds=90)  # a chunk that must wait for longer gives its lines back
LEARNED_FOR = timedelta(seconds=60)  # how long an account is believed to have less room than its limit
NOT_DIALLED = CallReport(phase=Phase.NOT_DIALLED)
REFUSED_NUMBER = CallReport(
    phase=Phase.ENDED, outcome=Outcome.INVALID_NUMBER, reason="refused_by_provider", settled=True
)
LOST_SIGHT = CallReport(phase=Phase.ENDED, outcome=Outcome.ERROR, reason=LOST, settled=True)
_SUBMITTED = (ChunkStatus.SUBMITTING, ChunkStatus.UNKNOWN)
_UNDIALLED = (*_SUBMITTED, ChunkStatus.RATE_LIMITED)


def record_submission(chunk_id: int, *, external_id: str, now: datetime) -> None:
    """The provider has it: the answer, or a later lookup, gave its id there."""
    with transaction.atomic():
        run = _run_of(chunk_id)
        moved = Chunk.objects.filter(pk=chunk_id, status__in=_SUBMITTED).update(
            status=ChunkStatus.DIALING, external_id=external_id, reason="", next_at=now + poll_delay(0)
        )
        if moved and run.wait_reason and run.status == RunStatus.RUNNING:
            change_run(run, wait_reason="", next_attempt_at=None)
        if moved and run.status != RunStatus.RUNNING:
            Chunk.objects.filter(pk=chunk_id).update(next_at=now)  # found while stopping: take back the rest at once
            ring_chunks([chunk_id])


def record_failure(chunk_id: int, error: ProviderError, *, answer: Answer, now: datetime) -> None:
    """The submission did not work. What that means for the numbers depends on what may have happened."""
    log.warning("chunk_not_submitted", chunk_id=chunk_id, answer=answer.value, reason=error.reason.value)
    if answer is Answer.UNKNOWN:
        _look_it_up_later(chunk_id, error, now=now)
        if error.reason is Reason.INTERNAL_ERROR:  # it would happen again
            stop_runs({_run_id(chunk_id): error.reason.value}, now=now)
    elif answer is Answer.NOT_DONE:
        _try_again_later(chunk_id, error, now=now)
    elif error.reason is Reason.INVALID and _blame_numbers(chunk_id, error, now=now):
        dissolve_chunk(chunk_id, now=now)
    else:
        _stop(chunk_id, error, now=now)


def record_silence(chunk: Chunk, error: ProviderError, *, until: datetime) -> None:
    """The provider could not be asked about a chunk: the run says so, and submits nothing `until` it is asked again."""
    if error.reason is Reason.KEY_REFUSED:
        if not _replace_key(chunk):
            stop_runs({chunk.run_id: error.reason.value}, now=timezone.now())
        return
    with transaction.atomic():
        run = locked_run(chunk.run_id)
        if run.status == RunStatus.RUNNING:
            latest = max(until, run.next_attempt_at or until)
            change_run(run, wait_reason=error.reason.value, next_attempt_at=latest)


def record_hearing(run_id: int, *, now: datetime) -> None:
    """The provider answers again: the run waits no more, unless for a submission of its own."""
    with transaction.atomic():
        run = locked_run(run_id)
        waits = run.next_attempt_at is not None and run.next_attempt_at > now
        kept = run.chunks.filter(status__in=[ChunkStatus.RATE_LIMITED, ChunkStatus.UNKNOWN])
        if run.status == RunStatus.RUNNING and run.wait_reason and not waits and not kept.exists():
            change_run(run, wait_reason="", next_attempt_at=None)


def dissolve_chunk(chunk_id: int, *, now: datetime) -> None:
    """Give the numbers of a chunk that was surely not dialled back to its run; one found meanwhile is left alone."""
    with transaction.atomic():
        run = _run_of(chunk_id)
        undialled = Chunk.objects.filter(pk=chunk_id, status__in=_UNDIALLED)
        if undialled.update(status=ChunkStatus.DISSOLVED, retry_at=None, next_at=None, finished_at=now):
            open_calls = Call.objects.filter(chunk_id=chunk_id, ended_at=None).values_list("pk", flat=True)
            apply_reports(dict.fromkeys(open_calls, NOT_DIALLED), now=now)
            reach(Point.DISSOLVING)
            change_run(run, deltas={"chunks_done": 1})
        ring_runs([run.pk])


def close_chunk(chunk_id: int, *, now: datetime) -> None:
    """All its calls have ended and nothing more will come of them."""
    with transaction.atomic():
        run = _run_of(chunk_id)
        open_ = Chunk.objects.filter(pk=chunk_id).exclude(status__in=[ChunkStatus.DISSOLVED, ChunkStatus.DONE])
        if open_.update(status=ChunkStatus.DONE, next_at=None, finished_at=now):
            change_run(run, deltas={"chunks_done": 1})
        ring_runs([run.pk])


def take_in(reports: Mapping[int, CallReport], *, now: datetime) -> None:
    """Apply reports (by call pk), and stop the runs whose calls met a limit of their account."""
    stop_runs(apply_reports(reports, now=now), now=now)


def stop_runs(reasons: Mapping[int, str], *, now: datetime) -> None:
    """Pause these runs, each for a reason that more submissions would only meet again."""
    for run_id, reason in sorted(reasons.items()):
        with transaction.atomic():
            if reason == Reason.QUOTA_EXHAUSTED:  # the account first: the one order of locks
                Account.objects.filter(runs=run_id).update(exhausted_at=now)
            run = locked_run(run_id)
            stop_run(run, reason=reason, now=now)
            ring_runs([run_id])
            ring_chunks(run.chunks.filter(next_at=now).values_list("pk", flat=True))


def _run_id(chunk_id: int) -> int:
    return Chunk.objects.values_list("run_id", flat=True).get(pk=chunk_id)


def _run_of(chunk_id: int) -> Run:
    return locked_run(_run_id(chunk_id))


def _look_it_up_later(chunk_id: int, error: ProviderError, *, now: datetime) -> None:
    """It may be dialling now: nothing is submitted again before the provider was asked."""
    with transaction.atomic():
        run = _run_of(chunk_id)
        chunk = Chunk.objects.get(pk=chunk_id)
        if chunk.status == ChunkStatus.SUBMITTING:
            Chunk.objects.filter(pk=chunk_id).update(status=ChunkStatus.UNKNOWN, reason=error.reason.value)
        _make_wait(run, error.reason, until=now + _backoff(chunk, error))


def _try_again_later(chunk_id: int, error: ProviderError, *, now: datetime) -> None:
    """Nothing happened: the chunk keeps its numbers and is brought back; without room, it is planned smaller."""
    if error.reason is Reason.NO_CAPACITY:
        _shrink(chunk_id, now=now)
        reach(Point.SHRUNK)
    wait = _backoff(Chunk.objects.get(pk=chunk_id), error)
    if wait > KEPT_AT_MOST:
        dissolve_chunk(chunk_id, now=now)
    with transaction.atomic():
        run = _run_of(chunk_id)
        retry_at = now + wait
        Chunk.objects.filter(pk=chunk_id, status__in=_SUBMITTED).update(
            status=ChunkStatus.RATE_LIMITED, reason=error.reason.value, retry_at=retry_at, next_at=None
        )
        _make_wait(run, error.reason, until=retry_at)


def _backoff(chunk: Chunk, error: ProviderError) -> timedelta:
    return backoff(attempts=chunk.attempts, asked=error.retry_after, chance=secrets.randbelow(1000) / 1000)


def _make_wait(run: Run, reason: Reason, *, until: datetime) -> None:
    if run.status == RunStatus.RUNNING:
        change_run(run, wait_reason=reason.value, next_attempt_at=until, next_at=until)
    else:
        Run.objects.filter(pk=run.pk).update(next_at=until)
        ring_runs([run.pk])


def _shrink(chunk_id: int, *, now: datetime) -> None:
    """The account has less room than its limit says: remember that for a while, and give half of the numbers back."""
    open_calls = list(
        Call.objects.filter(chunk_id=chunk_id, ended_at=None).order_by("-pk").values_list("pk", flat=True)
    )
    back = open_calls[: len(open_calls) // 2]
    apply_reports(dict.fromkeys(back, NOT_DIALLED), now=now)
    with transaction.atomic():
        account = Account.objects.select_for_update(no_key=True).get(runs__chunks=chunk_id)
        busy = sum(RunProgress.objects.filter(run__account=account).values_list("in_flight", flat=True))
        account.learned_limit = max(1, min(busy, account.concurrency_limit))
        account.learned_until = now + LEARNED_FOR
        account.save(update_fields=["learned_limit", "learned_until"])
    Chunk.objects.filter(pk=chunk_id).update(size=len(open_calls) - len(back))


def _blame_numbers(chunk_id: int, error: ProviderError, *, now: datetime) -> bool:
    """Fail the numbers that the provider found fault with. False where it blamed none and there are several."""
    calls = list(Call.objects.filter(chunk_id=chunk_id, ended_at=None).order_by("recipient__position"))
    blamed = [calls[place].pk for place in error.refused_recipients if place < len(calls)]
    if not blamed and len(calls) == 1:
        blamed = [calls[0].pk]
    apply_reports(dict.fromkeys(blamed, REFUSED_NUMBER), now=now)
    return bool(blamed)


def _replace_key(chunk: Chunk) -> bool:
    """The chunk's key is refused: its run goes on with another of the same account; False where there is none."""
    if chunk.api_key is None:
        return False
    mark_key_refused(key_id=chunk.api_key.pk)
    other = newest_working_key(workspace=chunk.run.workspace, account=chunk.api_key.account)
    if other is not None:
        Run.objects.filter(pk=chunk.run_id).update(api_key=other)
    return other is not None


def _stop(chunk_id: int, error: ProviderError, *, now: datetime) -> None:
    """The account, agent or number is refused: give the numbers back, try another key of the account, else pause."""
    dissolve_chunk(chunk_id, now=now)
    chunk = Chunk.objects.select_related("run__workspace", "api_key__account").get(pk=chunk_id)
    if error.reason is Reason.KEY_REFUSED and _replace_key(chunk):
        ring_runs([chunk.run_id])
        return
    if error.reason is Reason.NUMBER_MISSING and chunk.run.phone_provider_id is not None:
        forget_registration(phone_provider_id=chunk.run.phone_provider_id)  # looked for again when it is resumed
    stop_runs({chunk.run_id: error.reason.value}, now=now)
