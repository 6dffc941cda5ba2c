"""A chunk moved on: looked up where nobody knows what became of it, asked about until its calls are settled."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db.models import F
from django.utils import timezone

from agents.models import Agent
from aispinner.core.crash_points import Point, reach
from integrations.calls import CallReport, Phase
from integrations.errors import Answer, ProviderError, Reason
from integrations.http import longest_request
from integrations.models import KeyStatus
from integrations.services import newest_working_key
from telephony.dialer.claims import submit_timeout
from telephony.dialer.locks import BRIEFLY, run_lock
from telephony.dialer.orders import ChunkCall, calls_of, order_for
from telephony.dialer.pacing import backoff, poll_delay
from telephony.dialer.records import (
    LOST_SIGHT,
    close_chunk,
    dissolve_chunk,
    record_hearing,
    record_silence,
    record_submission,
    take_in,
)
from telephony.dialer.states import Status, next_status
from telephony.dialer.transitions import signal_of
from telephony.dialer.unforeseen import taken_as
from telephony.models import Chunk, ChunkStatus, RunStatus
from telephony.stacks import stack_for
from telephony.stacks.base import Order, Poll, Stack, Trace

log = structlog.get_logger(__name__)

STALLED = timedelta(seconds=5)  # until a submission that is still under way is looked for again
SETTLE_WITHIN = timedelta(minutes=2)  # how long a run waits for the analysis of an ended call
RING_AND_REPORT = timedelta(minutes=11)  # beyond the longest conversation, a call is silent
STANDS_STILL = timedelta(hours=1)  # nothing of a chunk is up, and so long nothing has been dialled of it
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
    chunk = Chunk.objects.select_related("run__agent", "run__workspace", "run__account", "api_key").get(pk=chunk_id)
    _take_a_key_that_works(chunk)
    stack = stack_for(chunk.run.voice_stack)
    calls = calls_of(chunk)
    order = order_for(chunk, calls)
    try:
        with taken_as(Answer.REFUSED):
            untold = _do_what_is_due(chunk, stack, order, calls, now=now)
    except ProviderError as error:
        until = _ask_again_later(chunk, calls, error, now=now)
        record_silence(chunk, error, until=until)
        return
    if untold is not None:
        _ask_again_later(chunk, calls, untold, now=now)
    elif chunk.run.wait_reason:
        record_hearing(chunk.run_id, now=now)


def _do_what_is_due(
    chunk: Chunk, stack: Stack, order: Order, calls: list[ChunkCall], *, now: datetime
) -> ProviderError | None:
    """Returns why nothing was learned of some of the calls, where the others could be asked about."""
    if chunk.status in {ChunkStatus.SUBMITTING, ChunkStatus.UNKNOWN}:
        _look_up(chunk, stack, order, now=now)
    elif chunk.status == ChunkStatus.DIALING:
        return _follow(chunk, stack, order, calls, now=now)
    return None


def _ask_again_later(chunk: Chunk, calls: list[ChunkCall], error: ProviderError, *, now: datetime) -> datetime:
    log.info("chunk_not_followed", chunk_id=chunk.pk, reason=error.reason.value)
    if error.answer is Answer.REFUSED:
        _give_up_in_time(chunk, calls, now=now)
    chance = secrets.randbelow(1000) / 1000
    at = now + max(poll_delay(chunk.polls), backoff(attempts=2, asked=error.retry_after, chance=chance))
    _look_again(chunk, at=at)
    return at


def _take_a_key_that_works(chunk: Chunk) -> None:
    """Any key of the account may ask about what another has sent, and has to where that one is refused or gone."""
    key = chunk.api_key
    if key is None or key.status != KeyStatus.WORKING:
        account = chunk.run.account if key is None else key.account
        chunk.api_key = newest_working_key(workspace=chunk.run.workspace, account=account) or key


def _look_again(chunk: Chunk, *, at: datetime) -> None:
    """Put the next look off, unless somebody (a pause, an end) has decided otherwise since ours began."""
    Chunk.objects.filter(pk=chunk.pk, next_at=chunk.next_at).update(next_at=at, polls=F("polls") + 1)


def _look_up(chunk: Chunk, stack: Stack, order: Order, *, now: datetime) -> None:
    """Ask what became of a submission; only proof that nothing was dialled lets its numbers be dialled again."""
    arrived_by = chunk.submitted_at + 2 * submit_timeout()
    if arrived_by <= now:
        if not _off_the_wire(chunk):
            _look_again(chunk, at=now + STALLED)
            return
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


def _off_the_wire(chunk: Chunk) -> bool:
    """Who submits holds the run's lock until the answer: while it is held, a stalled worker may still send its request.

    Once it was free, nobody will: a chunk that was sent, or meant to be, is never sent again.
    """
    with run_lock(chunk.run_id, wait=BRIEFLY) as free:
        return free


def _follow(chunk: Chunk, stack: Stack, order: Order, calls: list[ChunkCall], *, now: datetime) -> ProviderError | None:
    """Take over what the provider says, take back the rest where the run is stopping, close when settled."""
    if not _settled(calls, now=now):
        poll = stack.poll(order)
        reach(Point.POLLED)
        _apply(chunk, calls, poll, now=now)
        if poll.error is not None:
            return poll.error
        unwanted = chunk.run.status in _STOPPING or _stands_still(chunk, calls, now=now)
        if unwanted and chunk.cancelled_at is None and _undispatched(chunk):
            _take_back(chunk, stack, order)
            reach(Point.TAKEN_BACK)
            Chunk.objects.filter(pk=chunk.pk).update(cancelled_at=now)
            poll = stack.poll(order)
            _apply(chunk, calls, poll, now=now)
            if poll.error is not None:
                return poll.error
        if chunk.run.hangs_up and stack.can_hang_up:
            stack.hang_up(order)
        calls = calls_of(chunk)
    if _settled(calls, now=timezone.now()):
        reach(Point.CLOSING)
        close_chunk(chunk.pk, now=timezone.now())
    else:
        _look_again(chunk, at=timezone.now() + poll_delay(chunk.polls))
    return None


def _take_back(chunk: Chunk, stack: Stack, order: Order) -> None:
    """Asked for until it is answered; a refusal is an answer, and the calls end by themselves."""
    try:
        stack.cancel(order)
    except ProviderError as error:
        if error.answer is not Answer.REFUSED or error.reason is Reason.KEY_REFUSED:
            raise
        log.warning("chunk_not_taken_back", chunk_id=chunk.pk, reason=error.reason.value)


def _give_up_in_time(chunk: Chunk, calls: list[ChunkCall], *, now: datetime) -> None:
    """The provider refuses to tell, and asking again changes nothing: what must be over by now is ended without it."""
    _apply(chunk, calls, Poll(reports={}, gone=True), now=now)
    if _settled(calls_of(chunk), now=now):
        close_chunk(chunk.pk, now=now)


def _apply(chunk: Chunk, calls: list[ChunkCall], poll: Poll, *, now: datetime) -> None:
    reports: dict[int, CallReport] = {}
    for call in calls:
        report = poll.reports.get(call.call_id)
        if _silent(chunk, calls, call, report, gone=poll.gone, now=now):
            report = LOST_SIGHT if report is None else replace(LOST_SIGHT, conversation_id=report.conversation_id)
        if report is not None and _is_news(call, report):
            reports[call.pk] = report
    if reports:
        take_in(reports, now=now)


def _is_news(call: ChunkCall, report: CallReport) -> bool:
    """Whether a report may change a call: most say that it goes on. One that has come further since it was read, and a
    call goes one way only, would be changed by less.
    """
    if report.phase in {Phase.ENDED, Phase.NOT_DIALLED} or report.transcript or report.duration_sec:
        return True
    signal = signal_of(report)
    moves = signal is not None and next_status(Status(call.status), signal) is not None
    return moves or (report.conversation_id is not None and call.conversation_id is None)


def _silent(
    chunk: Chunk, calls: list[ChunkCall], call: ChunkCall, report: CallReport | None, *, gone: bool, now: datetime
) -> bool:
    """Whether a call that is still up by all we know is past any conversation's end (counted from dispatch)."""
    if call.ended_at is not None or (report is not None and report.phase in {Phase.ENDED, Phase.NOT_DIALLED}):
        return False
    since = call.dispatched_at or (chunk.submitted_at if gone or report is None else None)
    if since is None and chunk.cancelled_at is not None and chunk.cancelled_at + STANDS_STILL < now:
        return _stands_still(chunk, calls, now=now)  # taken back, and neither given back nor dialled
    return since is not None and since + longest_call(chunk.run.agent) < now


def longest_call(agent: Agent) -> timedelta:
    """How long after its dispatch a call can still be heard of, by the agent's own longest conversation."""
    config = agent.raw_config.get("conversation_config") or {}
    conversation = config.get("conversation") if isinstance(config, dict) else None
    longest = conversation.get("max_duration_seconds") if isinstance(conversation, dict) else None
    return timedelta(seconds=longest if isinstance(longest, int) and 0 < longest < 86_400 else 600) + RING_AND_REPORT


def _stands_still(chunk: Chunk, calls: list[ChunkCall], *, now: datetime) -> bool:
    """Whether the provider dials nothing more of a chunk, though numbers of it wait there."""
    waiting = [call for call in calls if call.ended_at is None]
    moved = [at for call in calls for at in (call.dispatched_at, call.ended_at) if at is not None]
    dialled = any(call.dispatched_at is not None for call in waiting)
    return bool(waiting) and not dialled and max([chunk.submitted_at, *moved]) + STANDS_STILL < now


def _undispatched(chunk: Chunk) -> bool:
    return chunk.calls.filter(ended_at=None, dispatched_at=None).exists()


def _settled(calls: list[ChunkCall], *, now: datetime) -> bool:
    return all(
        call.settled_at is not None or (call.ended_at is not None and call.ended_at + SETTLE_WITHIN < now)
        for call in calls
    )
