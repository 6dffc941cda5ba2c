"""The first third of a submission: one short transaction looks at the run and writes down what is meant to happen."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from aispinner.core import metrics
from aispinner.core.crash_points import Point, reach
from aispinner.core.rows import insert_like
from integrations.http import longest_request
from integrations.models import Account
from telephony.dialer.bell import ring_chunks, ring_runs
from telephony.dialer.breaker import AT_THE_PROVIDER, FAILED, Breaker
from telephony.dialer.ledger import DayTurnedError, Totals, take_numbers
from telephony.dialer.pacing import Demand, room_learned, shares
from telephony.dialer.plan import Become, Dissolve, Resubmit, RunView, Step, Stop, Submit, Wait, next_step
from telephony.dialer.runs import cancel_pending, change_run, locked_run, stop_run
from telephony.dialer.transitions import NewEvent, add_to_progress, locked_progress, run_event, write_events
from telephony.models import (
    Call,
    Chunk,
    ChunkStatus,
    Pacing,
    Recipient,
    RecipientStatus,
    Run,
    RunProgress,
    RunStatus,
)
from telephony.models.call import new_call_id

MAX_CHUNK = 1000
OPEN_CHUNKS = (ChunkStatus.SUBMITTING, ChunkStatus.DIALING, ChunkStatus.RATE_LIMITED, ChunkStatus.UNKNOWN)


def submit_timeout() -> timedelta:
    """The longest that a submission may be on the wire."""
    return longest_request()


def claim(run_id: int, *, now: datetime) -> int | Dissolve | None:
    """Decide the run's next step and write it down. The caller holds the run's lock.

    Returns the id of a chunk to submit now, a `Dissolve` to carry out, or None where there is nothing to do.
    """
    try:
        return _claim(run_id, now=now)
    except DayTurnedError:
        return _claim(run_id, now=now)


@transaction.atomic
def _claim(run_id: int, *, now: datetime) -> int | Dissolve | None:
    account = Account.objects.select_for_update(no_key=True).get(runs=run_id)
    run = locked_run(run_id)
    view = _look(run, account, now=now)
    return _carry_out(run, next_step(view, now=now), now=now)


def _carry_out(run: Run, step: Step | None, *, now: datetime) -> int | Dissolve | None:
    match step:
        case Submit(size):
            return _new_chunk(run, size, now=now)
        case Resubmit(chunk_id):
            return _submit_again(chunk_id, now=now)
        case Dissolve():
            return step
        case Wait(until, reason):
            if reason and run.wait_reason != reason:
                change_run(run, wait_reason=reason, next_attempt_at=None)
            Run.objects.filter(pk=run.pk).update(next_at=until)
        case Stop(reason):
            stop_run(run, reason=reason, now=now, evidence=_evidence(run))
            ring_runs([run.pk])
            ring_chunks(run.chunks.filter(next_at=now).values_list("pk", flat=True))
            transaction.on_commit(partial(metrics.count, "breaker_trips"), robust=True)
        case Become(status):
            _come_to_rest(run, status, now=now)
    return None


def _look(run: Run, account: Account, *, now: datetime) -> RunView:
    progress = RunProgress.objects.get(pk=run.pk)
    chunks = list(run.chunks.filter(status__in=OPEN_CHUNKS).order_by("pk"))
    kept = next((chunk for chunk in chunks if chunk.status == ChunkStatus.RATE_LIMITED), None)
    limit = line_limit(account, now=now)
    demands = _demands(account, now=now) if run.status == RunStatus.RUNNING else []
    return RunView(
        status=run.status,
        pending=progress.pending,
        in_flight=progress.in_flight,
        max_concurrent=run.max_concurrent,
        continuous=run.pacing == Pacing.CONTINUOUS,
        next_attempt_at=run.next_attempt_at,
        open_chunks=len(chunks),
        waiting_chunk=kept.pk if kept else None,
        waiting_until=kept.retry_at if kept else None,
        share=min(shares(limit=limit, demands=demands).get(run.pk, 0), MAX_CHUNK),
        room=limit - sum(demand.in_flight for demand in demands),
        failing=_breaker().is_tripped(progress.recent),
    )


def _breaker() -> Breaker:
    return Breaker(in_a_row=settings.BREAKER_IN_A_ROW, window=settings.BREAKER_WINDOW, percent=settings.BREAKER_PERCENT)


def _evidence(run: Run) -> dict[str, Any]:
    """What made the breaker trip: how many calls failed at the provider, of how many, why, and since when."""
    recent = RunProgress.objects.values_list("recent", flat=True).get(pk=run.pk)
    failed = run.calls.filter(outcome__in=AT_THE_PROVIDER).order_by("-pk")[: recent.count(FAILED)]
    told = list(failed.values_list("reason", "outcome", "ended_at"))
    return {
        "failed": len(told),
        "of": len(recent),
        "since": min((at for _, _, at in told if at), default=timezone.now()).isoformat(),
        "reasons": dict(Counter(reason or outcome for reason, outcome, _ in told).most_common(5)),
    }


def line_limit(account: Account, *, now: datetime) -> int:
    """How many calls the account may have at once, by what it sold us and what it has told us lately."""
    if account.learned_limit is None or account.learned_until is None:
        return account.concurrency_limit
    return room_learned(
        limit=account.concurrency_limit, learned=account.learned_limit, quiet_for=now - account.learned_until
    )


def _demands(account: Account, *, now: datetime) -> list[Demand]:
    """What every run with calls up, or with numbers to dial, wants of the account's lines.

    Others' `in_flight` only falls while we hold the account's row, so the sum is never too small.
    """
    rows = (
        RunProgress.objects.filter(run__account=account)
        .exclude(run__status__in=[RunStatus.COMPLETED, RunStatus.PAUSED], in_flight=0)
        .exclude(run__status=RunStatus.CANCELLED, in_flight=0)
        .select_related("run")
    )
    return [
        Demand(
            run_id=row.pk,
            wanted=_wanted(row.run, row, now=now),
            in_flight=row.in_flight,
            last_served=row.run.last_served_at or row.run.created_at,
        )
        for row in rows
    ]


def _wanted(run: Run, progress: RunProgress, *, now: datetime) -> int:
    """Lines that the run could use now: no more than it has where it is stopping, or waits for its next attempt."""
    waits = run.next_attempt_at is not None and run.next_attempt_at > now
    if run.status != RunStatus.RUNNING or waits:
        return progress.in_flight
    return min(run.max_concurrent, progress.pending + progress.in_flight)


def _new_chunk(run: Run, size: int, *, now: datetime) -> int:
    pending = Recipient.objects.filter(run=run, status=RecipientStatus.PENDING).order_by("position")
    recipients = list(pending.values_list("pk", "number")[:size])
    # These and no others: meanwhile a report may give back a number with a place before theirs.
    Recipient.objects.filter(pk__in=[pk for pk, _ in recipients]).update(status=RecipientStatus.IN_FLIGHT)
    chunk = Chunk.objects.create(
        run=run, api_key_id=run.api_key_id, size=len(recipients), submitted_at=now, next_at=now + 2 * submit_timeout()
    )
    _write_new(run, _call_of(run, chunk), recipients)
    Run.objects.filter(pk=run.pk).update(
        next_at=chunk.next_at, next_attempt_at=None, started_at=run.started_at or now, last_served_at=now
    )
    return chunk.pk


def _call_of(run: Run, chunk: Chunk) -> Call:
    """What the calls of a new chunk have in common."""
    on_pbx = run.phone_provider is None or run.node_id != run.phone_provider.node_id
    return Call(
        workspace_id=run.workspace_id,
        run=run,
        chunk=chunk,
        account_id=run.account_id,
        pbx_node_id=run.node_id if on_pbx else None,
        phone_node_id=run.phone_provider.node_id if run.phone_provider else None,
        agent_node_id=run.agent.node_id,
    )


def _write_new(run: Run, pattern: Call, recipients: list[tuple[int, str]]) -> None:
    """Calls of a new chunk, counted, numbered and told: the sequence is taken last, and stamps them."""
    many = len(recipients)
    [progress] = locked_progress([run.pk])
    totals = Totals()
    today = timezone.now().date()
    totals.add(pattern, day=today, times=many)
    totals.write()
    numbers, pattern.created_at = take_numbers(2 * many + 2, counted_on=today)
    ids = list(islice(numbers, many))
    deltas = Counter(pending=-many, in_flight=many, child_count=many, chunks_total=1)
    add_to_progress(progress, deltas, version=next(numbers))
    insert_like(
        pattern,
        ("id", "version", "call_id", "recipient_id", "subscriber_phone"),
        ((id_, id_, new_call_id(), pk, number) for id_, (pk, number) in zip(ids, recipients, strict=True)),
    )
    started = [run_event(run, "run.started")] if run.started_at is None else []
    told = {"status": pattern.status}
    queued = [NewEvent(run.workspace_id, run.pk, id_, "status", told) for id_ in ids]
    write_events([*started, *queued], numbers, pattern.created_at)
    reach(Point.COUNTED)


def _submit_again(chunk_id: int, *, now: datetime) -> int:
    next_at = now + 2 * submit_timeout()
    fields = {"status": ChunkStatus.SUBMITTING, "submitted_at": now, "retry_at": None, "next_at": next_at}
    Chunk.objects.filter(pk=chunk_id).update(**fields, attempts=F("attempts") + 1, first_look_at=None)
    Run.objects.filter(chunks=chunk_id).update(next_at=next_at, last_served_at=now)
    return chunk_id


@transaction.atomic
def set_off(chunk_id: int, *, now: datetime) -> bool:
    """The last look before the wire, however long it took to get there; its time-outs count from now.

    False where the run was stopped meanwhile, or the chunk given up as never submitted.
    """
    run = locked_run(Chunk.objects.values_list("run_id", flat=True).get(pk=chunk_id))
    claimed = Chunk.objects.filter(pk=chunk_id, status=ChunkStatus.SUBMITTING)
    next_at = now + 2 * submit_timeout()
    return run.status == RunStatus.RUNNING and bool(claimed.update(submitted_at=now, next_at=next_at))


def _come_to_rest(run: Run, status: str, *, now: datetime) -> None:
    reach(Point.RESTING)
    if status == RunStatus.CANCELLED:
        gone = cancel_pending(run)
        if run.finished_at is not None and not gone:
            Run.objects.filter(pk=run.pk).update(next_at=None)  # it rests already
            return
        change_run(run, deltas=Counter(pending=-gone, cancelled=gone), finished_at=run.finished_at or now, next_at=None)
    elif status == RunStatus.PAUSED:
        change_run(run, event="run.paused", data={"reason": run.wait_reason}, status=status, next_at=None)
    else:
        change_run(
            run,
            event="run.completed",
            status=status,
            wait_reason="",
            next_attempt_at=None,
            finished_at=now,
            next_at=None,
        )
