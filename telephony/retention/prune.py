"""What has been kept for long enough is deleted: in small batches, each a short transaction that leaves all as whole.

Killed anywhere, it goes on from the rows the next time. Locks in the one order: run, calls, totals, sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from telephony.dialer.ledger import Totals, take_numbers
from telephony.dialer.runs import change_run, locked_run
from telephony.dialer.transitions import NO_TRANSCRIPT, call_event, write_events
from telephony.models import Call, CallEvent, Chunk, Recipient, Run
from telephony.recordings import recording_name
from telephony.retention.policy import Retention, before

AT_ONCE = 200  # calls in one transaction
LATEST = timedelta(days=8)  # an event that names no known call waits for seven
ROWS_AT_ONCE = 5000  # recipients, which nothing hangs on
_CALLS_GO = (
    "DELETE FROM telephony_callevent WHERE call_id = ANY(%s)",
    "DELETE FROM telephony_dial WHERE call_id = ANY(%s)",
    "DELETE FROM telephony_voicesession WHERE call_id = ANY(%s)",
    "DELETE FROM telephony_call WHERE id = ANY(%s)",
)
_RECIPIENTS_GO = """
DELETE FROM telephony_recipient WHERE id IN (
    SELECT id FROM telephony_recipient WHERE run_id = %s ORDER BY position LIMIT %s)
"""
_EMPTY_TOTALS_GO = """
DELETE FROM telephony_journaltotal WHERE id IN (
    SELECT id FROM telephony_journaltotal
     WHERE workspace_id = %s AND (day < %s OR day IS NULL) AND (calls, duration_sec) = (0, 0) FOR UPDATE SKIP LOCKED)
"""


@dataclass(kw_only=True)
class Pruned:
    """How much was deleted, or would be: campaigns that lost their calls, calls, what was said, recordings."""

    campaigns: int = 0
    calls: int = 0
    transcripts: int = 0
    recordings: int = 0


Told = Callable[[Pruned], object]


def prune(*, workspace_id: int, retention: Retention, now: datetime, told: Told = lambda _so_far: None) -> Pruned:
    """Delete what `retention` no longer keeps of a workspace. Twice at once does no harm.

    `told` is called after each batch, with all that is gone by then.
    """
    done = Pruned()

    def count(name: str, batches: Iterator[int]) -> None:
        for size in batches:
            setattr(done, name, getattr(done, name) + size)
            told(done)

    if retention.calls_days is not None:
        limit = before(retention.calls_days, now=now)
        for run_id in list(_old_runs(workspace_id, limit).order_by("pk").values_list("pk", flat=True)):
            if mark_pruned(run_id, limit=limit, now=now):
                done.campaigns += 1
        for run_id in list(_unswept_runs(workspace_id).order_by("pk").values_list("pk", flat=True)):
            count("calls", _batches(Call.objects.filter(run_id=run_id), _delete))
            _sweep_run(run_id)
        count("calls", _batches(_old_calls(workspace_id, limit).filter(run=None), _delete))
        with connection.cursor() as cursor:
            cursor.execute(_EMPTY_TOTALS_GO, [workspace_id, limit.astimezone(UTC).date()])
    if retention.transcripts_days is not None:
        limit = before(retention.transcripts_days, now=now)
        count("transcripts", _batches(_old_calls(workspace_id, limit).filter(_SAID), _forget_what_was_said))
    if retention.audio_days is not None:
        limit = before(retention.audio_days, now=now)
        count("recordings", _batches(_old_calls(workspace_id, limit).filter(has_audio=True), _forget_recordings))
    return done


def would_prune(*, workspace_id: int, retention: Retention, now: datetime) -> Pruned:
    """What `prune` would delete now."""
    would, gone = Pruned(), Q(pk__in=[])
    if retention.calls_days is not None:
        limit = before(retention.calls_days, now=now)
        runs = _old_runs(workspace_id, limit) | Run.objects.filter(workspace=workspace_id, pruned_at__isnull=False)
        gone = Q(run__in=runs.values("pk")) | (Q(run=None, created_at__lt=limit) & ~_more_may_come())
        would.campaigns = _old_runs(workspace_id, limit).count()
        would.calls = Call.objects.filter(gone, workspace=workspace_id).count()
    if retention.transcripts_days is not None:
        old = _old_calls(workspace_id, before(retention.transcripts_days, now=now)).filter(_SAID)
        would.transcripts = old.exclude(gone).count()
    if retention.audio_days is not None:
        old = _old_calls(workspace_id, before(retention.audio_days, now=now)).filter(has_audio=True)
        would.recordings = old.exclude(gone).count()
    return would


def mark_pruned(run_id: int, *, limit: datetime, now: datetime) -> bool:
    """From here on the run's counters stand for what it was; its calls and numbers go. False where it may not."""
    with transaction.atomic():
        run = locked_run(run_id)
        if run.pruned_at is not None or not _old_runs(run.workspace_id, limit).filter(pk=run_id).exists():
            return False
        change_run(run, event="run.pruned", pruned_at=now)
    return True


def _more_may_come() -> Q:
    """A call that is not settled; one that has ended, and of which nothing came, is waited for as long as an event."""
    return Q(settled_at=None) & (Q(ended_at=None) | Q(ended_at__gte=timezone.now() - LATEST))


_SAID = ~Q(transcript=NO_TRANSCRIPT) | ~Q(summary="")


def _old_runs(workspace_id: int, limit: datetime) -> QuerySet[Run]:
    """Campaigns that ended before `limit`, and of which nothing more will come."""
    unsettled = Call.objects.filter(_more_may_come(), run=OuterRef("pk"))
    ended = Run.objects.filter(workspace=workspace_id, pruned_at=None, finished_at__lt=limit)
    return ended.filter(~Exists(unsettled), ~Exists(Chunk.objects.filter(run=OuterRef("pk"), finished_at=None)))


def _unswept_runs(workspace_id: int) -> QuerySet[Run]:
    """Marked, and not yet without numbers: recipients and chunks are the last to go."""
    left = Exists(Recipient.objects.filter(run=OuterRef("pk"))) | Exists(Chunk.objects.filter(run=OuterRef("pk")))
    return Run.objects.filter(left, workspace=workspace_id, pruned_at__isnull=False)


def _old_calls(workspace_id: int, limit: datetime) -> QuerySet[Call]:
    """Calls from before `limit` that are told to their end: a place among the ids, as both orders agree."""
    newer = Call.objects.filter(created_at__gte=limit).order_by("created_at", "pk").values_list("pk", flat=True).first()
    calls = Call.objects.filter(~_more_may_come(), workspace=workspace_id)
    return calls if newer is None else calls.filter(pk__lt=newer)


def _batches(wanted: QuerySet[Call], act: Callable[[Sequence[Call]], None]) -> Iterator[int]:
    """Lock some of `wanted`, `act` on them, commit, and say how many they were; until none is left."""
    for ids in _ids(wanted):
        with transaction.atomic():
            locked = wanted.select_for_update(of=("self",)).defer("transcript", "summary")
            calls = list(locked.filter(pk__in=ids).order_by("pk"))
            if calls:
                act(calls)
        yield len(calls)


def _ids(wanted: QuerySet[Call]) -> Iterator[list[int]]:
    after = 0
    while ids := list(wanted.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:AT_ONCE]):
        yield ids
        after = ids[-1]


def _delete(calls: Sequence[Call]) -> None:
    totals = Totals()
    for call in calls:
        totals.add(call, day=call.created_at.astimezone(UTC).date(), times=-1)
    _delete_recordings(calls)
    with connection.cursor() as cursor:
        for statement in _CALLS_GO:
            cursor.execute(statement, [[call.pk for call in calls]])
    totals.write()
    take_numbers(1)  # nobody's number: readers see that the journal has changed


def _sweep_run(run_id: int) -> None:
    """What is left of a run whose calls are gone: its numbers and its chunks."""
    gone = ROWS_AT_ONCE
    while gone == ROWS_AT_ONCE:
        with connection.cursor() as cursor:
            cursor.execute(_RECIPIENTS_GO, [run_id, ROWS_AT_ONCE])
            gone = cursor.rowcount
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM telephony_chunk WHERE run_id = %s", [run_id])


def _forget_what_was_said(calls: Sequence[Call]) -> None:
    CallEvent.objects.filter(call__in=calls, type="turn").delete()
    _change(calls, "transcript.pruned", transcript=NO_TRANSCRIPT, summary="")


def _forget_recordings(calls: Sequence[Call]) -> None:
    """Should we die before the commit, the rows still say that there are recordings, and the next time finds them."""
    _delete_recordings(calls)
    _change(calls, "audio.pruned", has_audio=False)


def _delete_recordings(calls: Sequence[Call]) -> None:
    for call in calls:
        if call.has_audio:
            default_storage.delete(recording_name(call))


def _change(calls: Sequence[Call], event: str, **fields: object) -> None:
    """Write `fields`, each call under a version of its own, and tell it."""
    numbers, at = take_numbers(2 * len(calls))
    for call in calls:
        Call.objects.filter(pk=call.pk).update(version=next(numbers), **fields)
    write_events([call_event(call, event, {}) for call in calls], numbers, at)
