"""The only writer of a call's status, and with it of its recipient, its run's progress, the totals and the events."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from django.db import transaction
from django.utils import timezone

from aispinner.core import metrics
from aispinner.core.crash_points import Point, reach
from aispinner.core.rows import insert_rows, json_text, update_rows
from integrations.calls import CallReport, Outcome, Phase, Turn
from integrations.models import WebhookEndpoint
from telephony.dialer.bell import ring_chunks, ring_runs
from telephony.dialer.breaker import mark, remember
from telephony.dialer.ledger import Totals, take_numbers
from telephony.dialer.states import TERMINAL, Signal, Status, fate_of_recipient, next_status
from telephony.models import Call, CallEvent, Chunk, ChunkStatus, Recipient, Run, RunProgress, RunStatus
from telephony.realtime.rings import tell

CALL_FIELDS = (
    "version", "status", "outcome", "reason", "disposition", "conversation_id", "duration_sec", "summary",
    "transcript", "has_audio", "dispatched_at", "answered_at", "ended_at", "settled_at",
)  # fmt: skip
NO_TRANSCRIPT = "[]"
LOST = "lost_sight"  # the reason of calls that the provider told nothing of in time
NOT_DIALLED = "not_dialled"  # the reason of calls that the provider proved never dialled
_WELL = frozenset({Outcome.ANSWERED, Outcome.VOICEMAIL})
_SIGNALS: Mapping[Phase, Signal] = {
    Phase.DISPATCHED: Signal.DISPATCHED,
    Phase.RINGING: Signal.RANG,
    Phase.IN_PROGRESS: Signal.ANSWERED,
    Phase.NOT_DIALLED: Signal.NOT_DIALLED,
}


def signal_of(report: CallReport) -> Signal | None:
    """What a report means for a call's status; None where the provider has not begun with it."""
    if report.phase is Phase.ENDED:
        return Signal.ENDED_WELL if report.outcome in _WELL else Signal.ENDED_BADLY
    return _SIGNALS.get(report.phase)


def apply_reports(
    reports: Mapping[int, CallReport],
    *,
    now: datetime,
    begun: Sequence[tuple[Call, CallReport]] = (),
    told_by: str = "poll",
) -> Mapping[int, str]:
    """Write what `reports` (by call pk) say. Late, doubled and shuffled ones change nothing that is final.

    `begun` are calls that nobody here placed, not stored yet, each with its first report: whoever gives them holds
    their account's lock, and does it again on DayTurnedError.

    Returns the runs whose calls met a limit of the account, with that limit. Locks in the one order: calls,
    progress, totals, sequence. A recipient in flight has one open call, and is written by whoever has that one.
    """
    with transaction.atomic():
        calls = _locked_calls(reports)
        batch = _Batch(now=now, told_by=told_by, cancelled=_cancelled_runs(calls))
        taken = _taken_conversations(calls, reports)
        for call in calls:
            report = reports[call.pk]
            batch.apply(call, replace(report, conversation_id=None) if report.conversation_id in taken else report)
            if report.conversation_id is not None and call.conversation_id == report.conversation_id:
                taken.add(report.conversation_id)
        for call, report in begun:
            batch.begin(call, report)
        batch.write()
        if batch.settled or batch.told_late:
            transaction.on_commit(batch.count, robust=True)
    return batch.limits


def _locked_calls(reports: Iterable[int]) -> list[Call]:
    ids = list(reports)
    return list(Call.objects.select_for_update(no_key=True, of=("self",)).filter(pk__in=ids).order_by("pk"))


def _cancelled_runs(calls: Sequence[Call]) -> set[int]:
    """Of the runs that these calls are of, those that were cancelled."""
    runs = {call.run_id for call in calls if call.run_id is not None}
    return set(Run.objects.filter(pk__in=runs, status=RunStatus.CANCELLED).values_list("pk", flat=True))


def _taken_conversations(calls: Sequence[Call], reports: Mapping[int, CallReport]) -> set[str | None]:
    """Conversations that belong to another call already, whatever the provider says now."""
    new = {reports[call.pk].conversation_id for call in calls if call.conversation_id is None} - {None}
    if not new:
        return set()
    accounts = {call.account_id for call in calls if call.account_id is not None}
    return set(
        Call.objects.filter(account_id__in=accounts, conversation_id__in=new).values_list("conversation_id", flat=True)
    )


@dataclass
class _Batch:
    """Changes to calls, gathered and then written together."""

    now: datetime
    told_by: str
    cancelled: Collection[int]
    today: date = field(default_factory=lambda: timezone.now().date())
    changed: list[Call] = field(default_factory=list)
    begun: list[Call] = field(default_factory=list)
    events: list[tuple[Call, str, dict[str, Any]]] = field(default_factory=list)
    totals: Totals = field(default_factory=Totals)
    fates: dict[str, list[int]] = field(default_factory=dict)
    progress: dict[int, Counter[str]] = field(default_factory=dict)
    endings: dict[int, str] = field(default_factory=dict)
    limits: dict[int, str] = field(default_factory=dict)
    settled: list[Call] = field(default_factory=list)
    told_late: int = 0

    def apply(self, call: Call, report: CallReport) -> None:
        day = call.created_at.astimezone(UTC).date()
        before, was_settled = call.duration_sec, call.settled_at is not None
        self.totals.add(call, day=day, times=-1)
        if call.status != Status.CANCELLED:
            call.duration_sec = max(call.duration_sec, min(report.duration_sec, 2**31 - 1))
        events = [*self._move(call, report), *attach(call, report, now=self.now)]
        if call.duration_sec != before and not events:
            events.append(("duration", {"duration_sec": call.duration_sec}))
        self.totals.add(call, day=day)
        self.told_late += was_settled and report.settled
        if not events:
            return
        if call.settled_at is not None and not was_settled:
            self.settled.append(call)
        self.changed.append(call)
        self.events += [(call, type_, data) for type_, data in events]
        if call.run_id is not None:
            self._deltas(call.run_id)["total_duration_sec"] += call.duration_sec - before
            if report.account_limit and call.reason == NOT_DIALLED:
                self.limits[call.run_id] = report.account_limit

    def begin(self, call: Call, report: CallReport) -> None:
        """Take in a call that is not stored yet, as far as its first report has come."""
        call.duration_sec = min(report.duration_sec, 2**31 - 1)
        events = [*self._move(call, report), *attach(call, report, now=self.now)]
        if call.ended_at is not None and report.started_at is not None:  # it may have been over for long
            call.ended_at = min(self.now, report.started_at + timedelta(seconds=call.duration_sec))
        self.totals.add(call, day=self.today)
        self.begun.append(call)
        self.events += [(call, type_, data) for type_, data in events]

    def _deltas(self, run_id: int) -> Counter[str]:
        return self.progress.setdefault(run_id, Counter())

    def _move(self, call: Call, report: CallReport) -> list[tuple[str, dict[str, Any]]]:
        signal = signal_of(report)
        status = next_status(Status(call.status), signal) if signal else None
        if status is None:
            return []
        call.status = status.value
        if status is not Status.CANCELLED and call.dispatched_at is None:
            call.dispatched_at = report.started_at or self.now
        if status in {Status.IN_PROGRESS, Status.DONE} and call.answered_at is None:
            call.answered_at = report.started_at or self.now
        if status in TERMINAL:
            self._end(call, report, status)
        data = {"status": call.status, "outcome": call.outcome, "reason": call.reason}
        return [("status", {key: value for key, value in data.items() if value})]

    def _end(self, call: Call, report: CallReport, status: Status) -> None:
        call.ended_at = self.now
        if status is Status.CANCELLED:
            call.outcome, call.reason, call.settled_at = Outcome.CANCELLED, NOT_DIALLED, self.now
        else:
            call.outcome, call.reason = report.outcome or Outcome.ERROR, report.reason[:100]
        if call.recipient_id is None or call.run_id is None:
            return
        fate = fate_of_recipient(status, run_cancelled=call.run_id in self.cancelled)
        self.fates.setdefault(fate.value, []).append(call.recipient_id)
        deltas = self._deltas(call.run_id)
        deltas["in_flight"] -= 1
        deltas[fate.value] += 1
        if status is Status.CANCELLED:
            deltas["child_count"] -= 1
        else:
            self.endings[call.run_id] = self.endings.get(call.run_id, "") + mark(call.outcome)

    def write(self) -> None:
        if not self.changed and not self.begun:
            return
        for fate, recipients in self.fates.items():
            Recipient.objects.filter(pk__in=recipients).update(status=fate)
        runs = locked_progress(self.progress)
        self.totals.write()
        count = len(self.begun) + len(self.changed) + len(self.events) + len(runs)
        numbers, at = take_numbers(count, counted_on=self.today if self.begun else None)
        for call in self.begun:
            call.pk = call.version = next(numbers)
            call.created_at = at
        for call in self.changed:
            call.version = next(numbers)
        for progress in runs:
            progress.recent = remember(progress.recent, self.endings.get(progress.pk, ""))
            add_to_progress(progress, self.progress[progress.pk], version=next(numbers))
        Call.objects.bulk_create(self.begun)
        update_rows(self.changed, CALL_FIELDS)
        write_events([call_event(*event) for event in self.events], numbers, at)
        reach(Point.COUNTERS_WRITTEN)
        self._ring()

    def count(self) -> None:
        """Who told of the calls that are settled now, and how many nobody told of."""
        lost = sum(call.reason == LOST for call in self.settled)
        told = [call for call in self.settled if call.reason not in {LOST, NOT_DIALLED}]
        counts: Counter[metrics.Name] = Counter({metrics.name("lost_sight"): lost})
        if self.told_by == "webhook":
            counts[metrics.name("told_late")] = self.told_late
            counts[metrics.name("settled", by="webhook")] = len(told)
        elif told:
            accounts = {call.account_id for call in told}
            endpoints = WebhookEndpoint.objects.filter(account__in=accounts).exclude(external_id="")
            heard = set(endpoints.values_list("account_id", flat=True))
            for call in told:
                counts[metrics.name("settled", by="poll" if call.account_id in heard else "poll_only")] += 1
        metrics.count_all(counts)

    def _ring(self) -> None:
        """Lines have come free: for their runs, and for whoever shares the account. Settled chunks can be closed."""
        freed = [run_id for run_id, deltas in self.progress.items() if deltas["in_flight"] < 0]
        if freed:
            accounts = Run.objects.filter(pk__in=freed).values("account_id")
            ring_runs(
                {
                    *freed,
                    *Run.objects.filter(account__in=accounts, status=RunStatus.RUNNING).values_list("pk", flat=True),
                }
            )
        chunks = {call.chunk_id for call in self.changed if call.settled_at is not None and call.chunk_id}
        if chunks:
            unsettled = Call.objects.filter(chunk_id__in=chunks, settled_at=None).values_list("chunk_id", flat=True)
            closing = chunks - set(unsettled)
            # Afterwards: chunks are locked before counters, and here the counters are ours already.
            transaction.on_commit(partial(_make_due, closing, self.now), robust=True)
            ring_chunks(closing)


def _make_due(chunk_ids: Iterable[int], now: datetime) -> None:
    Chunk.objects.filter(pk__in=chunk_ids, status=ChunkStatus.DIALING).update(next_at=now)


def attach(call: Call, report: CallReport, *, now: datetime) -> list[tuple[str, dict[str, Any]]]:
    """Take over what arrives whenever it arrives: transcript, summary, disposition, audio. Nothing is taken away."""
    events: list[tuple[str, dict[str, Any]]] = []
    if report.conversation_id and not call.conversation_id:
        call.conversation_id = report.conversation_id
        events.append(("conversation", {"conversation_id": call.conversation_id}))
    if call.status == Status.CANCELLED:
        return events
    final = report.settled or call.settled_at is None  # what is said of a settled call by an older look, is older
    if report.transcript and (final or call.transcript == NO_TRANSCRIPT):
        events += _take_transcript(call, report)
    if report.summary and report.summary != call.summary and (final or not call.summary):
        call.summary = report.summary
        events.append(("summary", {}))
    if report.disposition and report.disposition != call.disposition and (final or not call.disposition):
        call.disposition = report.disposition
        events.append(("disposition", {"disposition": str(report.disposition)}))
    if report.has_audio and not call.has_audio:
        call.has_audio = True
        events.append(("audio", {}))
    if report.settled and call.settled_at is None and call.status in TERMINAL:
        call.settled_at = now
        events.append(("settled", {"duration_sec": call.duration_sec}))
    return events


def _take_transcript(call: Call, report: CallReport) -> list[tuple[str, dict[str, Any]]]:
    """Turn by turn while the call goes on; whole at its end. What comes live after that is older."""
    live = report.phase is not Phase.ENDED
    before, after = call.transcript, transcript_text(report.transcript)
    if before == after or (live and call.status in TERMINAL):
        return []
    call.transcript = after
    return _turn_events(before, after) if live else [("transcript", {"turns": len(report.transcript)})]


def _turn_events(before: str, after: str) -> list[tuple[str, dict[str, Any]]]:
    """The turns that were said or changed between two transcripts, each with its place (`index`) in it."""
    known, turns = json.loads(before), json.loads(after)
    new = [(index, turn) for index, turn in enumerate(turns) if known[index : index + 1] != [turn]]
    return [("turn", {"index": index, **turn}) for index, turn in new]


def transcript_text(turns: Sequence[Turn]) -> str:
    """A transcript as the JSON text that the journal sends."""
    return json_text([{"role": t.role, "message": t.message, "time_in_call_secs": t.time_in_call_secs} for t in turns])


def locked_progress(run_ids: Iterable[int]) -> list[RunProgress]:
    """The progress rows of these runs, locked, in the one order."""
    return list(RunProgress.objects.select_for_update(no_key=True).filter(pk__in=list(run_ids)).order_by("pk"))


def add_to_progress(progress: RunProgress, deltas: Mapping[str, int], *, version: int) -> None:
    """Add `deltas` to a locked progress row and give it its new version; write its `recent` as it is."""
    for name, delta in deltas.items():
        setattr(progress, name, getattr(progress, name) + delta)
    progress.version = version
    progress.save(update_fields=[*deltas, "recent", "version"])


class NewEvent(NamedTuple):
    """An event that is not stored yet."""

    workspace_id: int
    run_id: int | None
    call_id: int | None
    type: str
    data: dict[str, Any]


def call_event(call: Call, type_: str, data: dict[str, Any]) -> NewEvent:
    """An event of a call, to be written with `write_events`."""
    return NewEvent(call.workspace_id, call.run_id, call.pk, type_, data)


def run_event(run: Run, type_: str, data: dict[str, Any] | None = None) -> NewEvent:
    """An event of the run itself, to be written with `write_events`."""
    return NewEvent(run.workspace_id, run.pk, None, type_, data or {})


def write_events(events: Sequence[NewEvent], numbers: Iterable[int], at: datetime) -> None:
    """Store events under their numbers, in order."""
    moment = at.isoformat()
    rows = (
        (number, event.workspace_id, event.run_id, event.call_id, event.type, json_text(event.data), moment)
        for event, number in zip(events, numbers, strict=False)
    )
    insert_rows(CallEvent, ("id", "workspace_id", "run_id", "call_id", "type", "data", "at"), rows)
    for workspace_id in {event.workspace_id for event in events}:
        tell(workspace_id)
