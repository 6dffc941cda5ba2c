"""A past for the demo workspace: a week of campaigns that look as if they had been dialled, and whose figures agree.

Who answered and what was said are the simulator's stories. Everything is told at once: calls, events and versions take
their numbers in the order of their times, which is why there must be no call yet.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from operator import itemgetter

import orjson
from django.contrib.auth.models import User
from django.db import transaction

from agents.models import Agent
from aispinner.core.errors import Conflict
from aispinner.core.models import Node, Workspace
from integrations.calls import Disposition, Outcome, VoiceStack
from integrations.elevenlabs.simulator.audio import mp3
from integrations.elevenlabs.simulator.stories import Story, Told, decide, tell, tell_voicemail
from integrations.models import PhoneProvider
from integrations.services import newest_working_key
from telephony.dialer.ledger import Totals, take_numbers
from telephony.models import (
    Call,
    CallEvent,
    CallStatus,
    Chunk,
    ChunkStatus,
    Pacing,
    Recipient,
    RecipientStatus,
    Run,
    RunProgress,
    RunStatus,
)
from telephony.recordings import store_recording

SEED = 20
RECORDINGS = 12  # of the latest conversations
PLAN = (  # days ago, begin (UTC), name, numbers, lines
    (6, time(9, 5), "Spring check-up reminders", 96, 4),
    (6, time(14, 30), "Missed appointments, first call", 58, 3),
    (5, time(9, 10), "Invoice questions, May", 74, 4),
    (4, time(8, 45), "Q2 outbound — VIP list", 112, 5),
    (4, time(15, 0), "Delivery feedback", 66, 3),
    (3, time(10, 15), "Spring check-up reminders, second round", 81, 4),
    (2, time(9, 0), "Contract renewals", 127, 5),
    (2, time(16, 10), "Invoice questions, reminders", 43, 2),
    (1, time(9, 20), "Delivery feedback, part 2", 104, 5),
    (1, time(13, 40), "Missed appointments, second call", 71, 3),
    (0, time(0, 5), "Night shift call-backs", 46, 3),
    (0, time(6, 30), "Contract renewals, the rest", 38, 3),
    (0, time(10, 0), "Delivery feedback, part 3", 62, 4),
)
MESSAGE = "Hello, this is Northwind Services. Nothing urgent: please call us back when it suits you."
OUTCOMES = {"answered": Outcome.ANSWERED, "voicemail": Outcome.VOICEMAIL, "busy": Outcome.BUSY}
_Moment = tuple[datetime, int, Call | CallEvent]


@dataclass
class _Past:
    """What is to be written, and at which time each of it takes its number."""

    calls: list[Call] = field(default_factory=list)
    moments: list[_Moment] = field(default_factory=list)
    told: dict[str, tuple[Told, int]] = field(default_factory=dict)  # by call_id, with the seconds it took

    def happened(self, at: datetime, what: Call | CallEvent) -> None:
        self.moments.append((at, len(self.moments), what))


def load_history(*, workspace: Workspace, user: User, now: datetime) -> int:
    """Write the past week of the demo workspace; how many calls. Conflict (409) where there are calls already."""
    if Call.objects.exists():
        raise Conflict("There are calls already, and a past can only be written before them. Use an empty database.")
    past = _Past()
    number = 0
    with transaction.atomic():
        for days, begin, name, count, lines in PLAN:
            at = datetime.combine(now.astimezone(UTC).date() - timedelta(days=days), begin, tzinfo=UTC)
            if at + timedelta(hours=3) < now:
                _campaign(past, workspace, user, at, name, range(number, number + count), lines)
            number += count
        _write(past)
    _record(past)
    return len(past.calls)


def _campaign(
    past: _Past, workspace: Workspace, user: User, at: datetime, name: str, numbers: Sequence[int], lines: int
) -> None:
    node = Node.objects.get(workspace=workspace, node_id="pbx_abc123")
    key = newest_working_key(workspace=workspace)
    if key is None:
        raise Conflict("The demo workspace has no working key. Load the demo data first.")
    run = Run.objects.create(
        workspace=workspace, node=node, agent=Agent.objects.get(node__workspace=workspace, node__node_id="agent_xyz"),
        phone_provider=PhoneProvider.objects.get(node__workspace=workspace, node__node_id="phone_abc"),
        voice_stack=VoiceStack.ELEVENLABS, account=key.account, api_key=key, name=name, max_concurrent=lines,
        pacing=Pacing.CONTINUOUS, status=RunStatus.COMPLETED, created_by=user,
    )  # fmt: skip
    chunk = Chunk.objects.create(
        run=run, api_key=key, status=ChunkStatus.DONE, size=len(numbers), submitted_at=at, finished_at=at
    )
    calls = list(_calls(past, run, chunk, at, numbers))
    end = max(call.settled_at or at for call in calls)
    Run.objects.filter(pk=run.pk).update(created_at=at, started_at=at, finished_at=end)
    Chunk.objects.filter(pk=chunk.pk).update(created_at=at, finished_at=end)
    counts = Counter(call.status for call in calls)
    RunProgress.objects.create(
        run=run, numbers_count=len(calls), pending=0, success=counts[CallStatus.DONE],
        failed=counts[CallStatus.FAILED], child_count=len(calls),
        total_duration_sec=sum(call.duration_sec for call in calls), chunks_total=1, chunks_done=1,
    )  # fmt: skip
    for moment, type_ in ((at, "run.created"), (at, "run.started"), (end, "run.completed")):
        past.happened(moment, CallEvent(workspace=workspace, run=run, type=type_, at=moment))


def _calls(past: _Past, run: Run, chunk: Chunk, at: datetime, numbers: Sequence[int]) -> Iterator[Call]:
    """One call after the other on each line, as continuous pacing has it."""
    rng = random.Random(f"{SEED}:{run.name}")  # noqa: S311 - a story, not a secret
    free = [at + timedelta(seconds=2 * line) for line in range(run.max_concurrent)]
    for position, number in enumerate(numbers):
        line = free.index(min(free))
        begun = free[line] + timedelta(seconds=rng.uniform(1, 9))
        phone = f"+1555010{number:04}"  # reserved for fiction
        call = _call(past, run, chunk, phone, position, begun)
        past.calls.append(call)
        free[line] = call.settled_at or begun
        yield call


def _call(past: _Past, run: Run, chunk: Chunk, phone: str, position: int, begun: datetime) -> Call:
    story = decide(seed=SEED, number=phone)
    answered = story.outcome in {"answered", "voicemail"}
    seconds = story.talk_secs if answered else 0
    picked_up = begun + timedelta(seconds=story.ring_secs)
    ended = picked_up + timedelta(seconds=seconds)
    recipient = Recipient.objects.create(
        run=run, position=position, number=phone,
        status=RecipientStatus.SUCCESS if answered else RecipientStatus.FAILED,
    )  # fmt: skip
    call = Call(
        workspace_id=run.workspace_id, run=run, recipient=recipient, chunk=chunk, account_id=run.account_id,
        pbx_node_id=run.node_id, agent_node=run.agent.node,
        phone_node=run.phone_provider.node if run.phone_provider else None,
        status=CallStatus.DONE if answered else CallStatus.FAILED, outcome=_outcome(story), subscriber_phone=phone,
        reason="twilio_error" if story.outcome == "failed" else "", duration_sec=seconds, created_at=begun,
        dispatched_at=begun, answered_at=picked_up if answered else None, ended_at=ended,
        settled_at=ended + timedelta(seconds=3),
    )  # fmt: skip
    if answered:
        _say(past, call, story)
    _events(past, call)
    return call


def _outcome(story: Story) -> Outcome:
    if story.outcome == "failed":
        return Outcome.ERROR
    return OUTCOMES.get(story.outcome, Outcome.NO_ANSWER)


def _say(past: _Past, call: Call, story: Story) -> None:
    """What was said, with a machine too."""
    if story.outcome == "voicemail":
        told = tell_voicemail(story, message=MESSAGE, talk_secs=story.talk_secs)
        call.disposition = Disposition.FAILURE
    else:
        told = tell(story, first_message="", variables={}, talk_secs=story.talk_secs, tools=set())
        call.disposition = story.result
        past.told[call.call_id] = (told, story.talk_secs)
    call.summary = told.summary
    turns = [{"role": turn.role, "message": turn.message, "time_in_call_secs": turn.at} for turn in told.turns]
    call.transcript = orjson.dumps(turns).decode()


def _events(past: _Past, call: Call) -> None:
    ended, settled = call.ended_at or call.created_at, call.settled_at or call.created_at
    told: list[tuple[datetime, str, dict[str, object]]] = [
        (call.created_at, "status", {"status": "queued"}),
        (call.created_at, "status", {"status": "dialing"}),
    ]
    if call.answered_at:
        told.append((call.answered_at, "status", {"status": "in_progress"}))
    told.append((ended, "status", {"status": str(call.status), "outcome": str(call.outcome)}))
    if call.summary:
        turns = len(orjson.loads(call.transcript))
        told += [(settled, "transcript", {"turns": turns}), (settled, "summary", {})]
        told.append((settled, "disposition", {"disposition": call.disposition}))
    told.append((settled, "settled", {"duration_sec": call.duration_sec}))
    past.happened(call.created_at, call)
    for at, type_, data in told:
        past.happened(
            at, CallEvent(workspace_id=call.workspace_id, run=call.run, call=call, type=type_, data=data, at=at)
        )


def _write(past: _Past) -> None:
    """Everything takes its number in the order of its time; then each call and campaign the version of its last."""
    moments = sorted(past.moments, key=itemgetter(0, 1))
    runs = {call.run_id for call in past.calls}
    totals = Totals()
    for call in past.calls:
        totals.add(call, day=call.created_at.astimezone(UTC).date())
    totals.write()
    numbers, _ = take_numbers(len(moments) + len(past.calls) + len(runs))
    for _, _, what in moments:
        what.pk = next(numbers)
    for call in past.calls:
        call.version = next(numbers)
    Call.objects.bulk_create(past.calls)
    CallEvent.objects.bulk_create([what for _, _, what in moments if isinstance(what, CallEvent)])
    for run_id in sorted(filter(None, runs)):
        RunProgress.objects.filter(run=run_id).update(version=next(numbers))


def _record(past: _Past) -> None:
    """Recordings of the latest conversations."""
    for call in [call for call in past.calls if call.call_id in past.told][-RECORDINGS:]:
        told, seconds = past.told[call.call_id]
        store_recording(call, iter([mp3(told.turns, seconds)]))
        Call.objects.filter(pk=call.pk).update(has_audio=True)
