"""A chunk moved on: looked up where nobody knows what became of it, asked about until its calls are settled."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db.models import F
from django.utils import timezone

from agents.models import Agent
from aispinner.core.crash_points import Point, reach
from integrations.calls import CallReport, Phase
from integrations.errors import Answer, ProviderError
from integrations.http import longest_request
from telephony.dialer.claims import submit_timeout
from telephony.dialer.orders import calls_of, order_for
from telephony.dialer.pacing import backoff, poll_delay
from telephony.dialer.records import LOST_SIGHT, close_chunk, dissolve_chunk, record_submission, take_in
from telephony.models import Call, Chunk, ChunkStatus, RunStatus
from telephony.stacks import stack_for
from telephony.stacks.base import Order, Poll, Stack, Trace

log = structlog.get_logger(__name__)

SETTLE_WITHIN = timedelta(minutes=2)  # how long a run waits for the analysis of an ended call
RING_AND_REPORT = timedelta(minutes=11)  # beyond the longest conversation, a call is silent
_STOPPING = (RunStatus.PAUSING, RunStatus.PAUSED, RunStatus.CANCELLED)


def lease() -> timedelta:
    """One worker at a time asks about a chunk; should it die, another does after this. Two at once do no harm."""
    return 1.5 * longest_request()


def look_again_after() -> timedelta:
    """Between two lookups that found no trace: time for a provider's list to show what it has."""
    return timedelta(seconds=settings.LOOK_AGAIN_SECONDS)


def advance_chunk(chunk_id: int) -> None:
    """Do what is due for a chunk, if anything is. Any number of workers may call this at any time."""
    now = timezone.now()
    if not Chunk.objects.filter(pk=chunk_id, next_at__lte=now).update(next_at=now + lease()):
        return
    chunk = Chunk.objects.select_related("run__agent", "api_key").get(pk=chunk_id)
    stack = stack_for(chunk.run.voice_stack)
    calls = calls_of(chunk)
    order = order_for(chunk, calls)
    try:
        if chunk.status in {ChunkStatus.SUBMITTING, ChunkStatus.UNKNOWN}:
            _look_up(chunk, stack, order, now=now)
        elif chunk.status == ChunkStatus.DIALING:
            _follow(chunk, stack, order, calls, now=now)
    except ProviderError as error:
        log.info("chunk_not_followed", chunk_id=chunk_id, reason=error.reason.value)
        if error.answer is Answer.REFUSED:
            _give_up_in_time(chunk, calls, now=now)
        wait = max(poll_delay(chunk.polls), backoff(attempts=2, asked=error.retry_after, chance=0.5))
        _look_again(chunk, at=now + wait)


def _look_again(chunk: Chunk, *, at: datetime) -> None:
    """Put the next look off, unless somebody (a pause, an end) has decided otherwise since ours began."""
    Chunk.objects.filter(pk=chunk.pk, next_at=chunk.next_at).update(next_at=at, polls=F("polls") + 1)


def _look_up(chunk: Chunk, stack: Stack, order: Order, *, now: datetime) -> None:
    """Ask what became of a submission; only proof that nothing was dialled lets its numbers be dialled again."""
    arrived_by = chunk.submitted_at + 2 * submit_timeout()
    if arrived_by <= now:
        Chunk.objects.filter(pk=chunk.pk, status=ChunkStatus.SUBMITTING).update(status=ChunkStatus.UNKNOWN)
    finding = stack.find(order)
    reach(Point.LOOKED_UP)
    log.info("chunk_looked_up", chunk_id=chunk.pk, trace=finding.trace.value)
    if finding.trace is Trace.FOUND:
        record_submission(chunk.pk, external_id=finding.external_id, now=now)
    elif now < arrived_by:  # looked for early, by a stopping run: it may still be on its way
        _look_again(chunk, at=arrived_by)
    elif finding.trace is Trace.CANNOT_KNOW:
        take_in({call.pk: LOST_SIGHT for call in chunk.calls.filter(ended_at=None)}, now=now)
        close_chunk(chunk.pk, now=now)
    elif finding.trace is Trace.NEVER_DIALLED or (
        chunk.first_look_at is not None and chunk.first_look_at + look_again_after() <= now
    ):
        dissolve_chunk(chunk.pk, now=now)
    else:
        first = chunk.first_look_at or now
        Chunk.objects.filter(pk=chunk.pk).update(first_look_at=first)
        _look_again(chunk, at=first + look_again_after())


def _follow(chunk: Chunk, stack: Stack, order: Order, calls: list[Call], *, now: datetime) -> None:
    """Take over what the provider says, take back the rest where the run is stopping, close when settled."""
    if not _settled(calls, now=now):
        poll = stack.poll(order)
        reach(Point.POLLED)
        _apply(chunk, calls, poll, now=now)
        if chunk.run.status in _STOPPING and chunk.cancelled_at is None and _undispatched(chunk):
            stack.cancel(order)
            reach(Point.TAKEN_BACK)
            Chunk.objects.filter(pk=chunk.pk).update(cancelled_at=now)
            _apply(chunk, calls, stack.poll(order), now=now)
        if chunk.run.hangs_up and stack.can_hang_up:
            stack.hang_up(order)
        calls = calls_of(chunk)
    if _settled(calls, now=timezone.now()):
        reach(Point.CLOSING)
        close_chunk(chunk.pk, now=timezone.now())
    else:
        _look_again(chunk, at=timezone.now() + poll_delay(chunk.polls))


def _give_up_in_time(chunk: Chunk, calls: list[Call], *, now: datetime) -> None:
    """The provider refuses to tell, and asking again changes nothing: what must be over by now is ended without it."""
    _apply(chunk, calls, Poll(reports={}, gone=True), now=now)
    if _settled(calls_of(chunk), now=now):
        close_chunk(chunk.pk, now=now)


def _apply(chunk: Chunk, calls: list[Call], poll: Poll, *, now: datetime) -> None:
    reports: dict[int, CallReport] = {}
    for call in calls:
        report = poll.reports.get(call.call_id)
        if _silent(chunk, call, report, gone=poll.gone, now=now):
            report = LOST_SIGHT if report is None else replace(LOST_SIGHT, conversation_id=report.conversation_id)
        if report is not None:
            reports[call.pk] = report
    take_in(reports, now=now)
    if poll.error is not None:
        raise poll.error


def _silent(chunk: Chunk, call: Call, report: CallReport | None, *, gone: bool, now: datetime) -> bool:
    """Whether a call that is still up by all we know is past any conversation's end (counted from dispatch)."""
    if call.ended_at is not None or (report is not None and report.phase in {Phase.ENDED, Phase.NOT_DIALLED}):
        return False
    since = call.dispatched_at or (chunk.submitted_at if gone or report is None else None)
    return since is not None and since + longest_call(chunk.run.agent) < now


def longest_call(agent: Agent) -> timedelta:
    """How long after its dispatch a call can still be heard of, by the agent's own longest conversation."""
    config = agent.raw_config.get("conversation_config") or {}
    conversation = config.get("conversation") if isinstance(config, dict) else None
    longest = conversation.get("max_duration_seconds") if isinstance(conversation, dict) else None
    return timedelta(seconds=longest if isinstance(longest, int) and 0 < longest < 86_400 else 600) + RING_AND_REPORT


def _undispatched(chunk: Chunk) -> bool:
    return chunk.calls.filter(ended_at=None, dispatched_at=None).exists()


def _settled(calls: list[Call], *, now: datetime) -> bool:
    return all(
        call.settled_at is not None or (call.ended_at is not None and call.ended_at + SETTLE_WITHIN < now)
        for call in calls
    )
