"""What always holds, told from the rows alone: every counter re-derived, every number accounted for."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, date

from django.db.models import Count, Q, Sum

from integrations.models import Account
from telephony.audit.look import differences
from telephony.models import (
    Call,
    CallEvent,
    CallStatus,
    Chunk,
    ChunkStatus,
    JournalTotal,
    Recipient,
    RecipientStatus,
    Run,
    RunProgress,
    Sequence,
)

ENDED = (CallStatus.DONE, CallStatus.FAILED, CallStatus.CANCELLED)
CLOSED = (ChunkStatus.DONE, ChunkStatus.DISSOLVED)
_FATES = {CallStatus.DONE: RecipientStatus.SUCCESS, CallStatus.FAILED: RecipientStatus.FAILED}


def check_rows() -> None:
    """AssertionError where the rows contradict each other, a counter, or a promise.

    Derived here without the audit's SQL, and by the audit too: each would notice what the other overlooks.
    """
    for run in Run.objects.select_related("progress").filter(pruned_at=None):
        _check_progress(run)
        _check_recipients(run)
    for account in Account.objects.all():
        up = sum(RunProgress.objects.filter(run__account=account).values_list("in_flight", flat=True))
        assert up <= account.concurrency_limit, f"{up} calls on an account of {account.concurrency_limit}"
    _check_calls()
    _check_totals()
    _check_numbers()
    assert not Chunk.objects.filter(status__in=CLOSED, next_at__isnull=False).exists(), "a closed chunk is due"
    assert differences() == []


def _check_progress(run: Run) -> None:
    progress = run.progress
    recipients = Counter(run.recipients.values_list("status", flat=True))
    calls = run.calls.aggregate(tried=Count("pk", filter=~Q(status=CallStatus.CANCELLED)), seconds=Sum("duration_sec"))
    stored = {status: getattr(progress, status) for status in RecipientStatus.values}
    assert stored == {status: recipients[status] for status in RecipientStatus.values}
    assert progress.numbers_count == sum(recipients.values()), "a number is lost"
    assert progress.child_count == calls["tried"]
    assert progress.total_duration_sec == (calls["seconds"] or 0)
    assert progress.chunks_total == run.chunks.count()
    assert progress.chunks_done == run.chunks.filter(status__in=CLOSED).count()
    assert progress.in_flight <= run.max_concurrent


def _check_recipients(run: Run) -> None:
    """A recipient is where its one call that counts is; proof that it was not dialled gives it back."""
    calls: dict[int, list[str]] = defaultdict(list)
    for recipient_id, status in run.calls.values_list("recipient_id", "status"):
        calls[recipient_id or 0].append(status)
    for recipient in Recipient.objects.filter(run=run):
        counting = [status for status in calls[recipient.pk] if status != CallStatus.CANCELLED]
        assert len(counting) <= 1, "a number was tried twice"
        if not counting:
            assert recipient.status in {RecipientStatus.PENDING, RecipientStatus.CANCELLED}
        else:
            expected = _FATES.get(CallStatus(counting[0]), RecipientStatus.IN_FLIGHT)
            assert recipient.status == expected, f"call {counting[0]}, recipient {recipient.status}"


def _check_calls() -> None:
    for call in Call.objects.select_related("chunk"):
        assert (call.status in ENDED) == (call.ended_at is not None) == bool(call.outcome)
        if call.chunk is not None and call.chunk.status in CLOSED:
            assert call.status in ENDED, "a closed chunk has an open call"


def _check_totals() -> None:
    counted: Counter[tuple[int, int | None, str, date | None]] = Counter()
    seconds: Counter[tuple[int, int | None, str, date | None]] = Counter()
    for call in Call.objects.all():
        day = call.created_at.astimezone(UTC).date()
        for node in {None, call.pbx_node_id, call.phone_node_id, call.agent_node_id}:
            for when in (day, None):
                counted[call.workspace_id, node, call.status, when] += 1
                seconds[call.workspace_id, node, call.status, when] += call.duration_sec
    for total in JournalTotal.objects.all():
        key = (total.workspace_id, total.node_id, total.status, total.day)
        assert (total.calls, total.duration_sec) == (counted.pop(key, 0), seconds.pop(key, 0)), key
    assert not counted


def _check_numbers() -> None:
    """Ids and versions come from one sequence, each number once, none ahead of it."""
    handed_out = [
        *Call.objects.values_list("pk", flat=True),
        *Call.objects.exclude(version__in=Call.objects.values("pk")).values_list("version", flat=True),
        *CallEvent.objects.values_list("pk", flat=True),
        *RunProgress.objects.exclude(version=0).values_list("version", flat=True),
    ]
    assert len(handed_out) == len(set(handed_out))
    assert max(handed_out, default=0) <= max(Sequence.objects.values_list("value", flat=True), default=0)
