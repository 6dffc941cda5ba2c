"""What people do with campaigns: start, pause, resume, cancel, rename. Each changes everything or nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import orjson
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from aispinner.core.audit import changed, record
from aispinner.core.crash_points import Point, reach
from aispinner.core.errors import AccountExhausted, Conflict, Invalid, Unavailable
from aispinner.core.models import Node, Workspace
from integrations.calls import VoiceStack
from integrations.models import Account, ElevenLabsKey, KeyStatus
from integrations.services import newest_working_key
from telephony.dialer.bell import ring_chunks, ring_runs
from telephony.dialer.claims import submit_timeout
from telephony.dialer.ledger import take_numbers
from telephony.dialer.locks import run_lock
from telephony.dialer.runs import cancel_pending, change_run, locked_run, stop_run
from telephony.dialer.transitions import run_event, write_events
from telephony.line_up import line_up
from telephony.models import Chunk, ChunkStatus, Pacing, RecipientStatus, Run, RunProgress, RunStatus

ACTIVE = (RunStatus.RUNNING, RunStatus.PAUSING)
EXHAUSTED_FOR = timedelta(minutes=1)  # how long an account that said "no credits" is believed without asking again
LONGEST_NAME = 200
INSERT_AT_ONCE = 10_000
_INSERT_RECIPIENTS = """
INSERT INTO telephony_recipient (run_id, status, position, number, variables)
SELECT %s, %s, n.position, n.number, n.variables::jsonb
  FROM unnest(%s::int[], %s::text[], %s::text[]) AS n(position, number, variables)
"""


@dataclass(frozen=True, kw_only=True)
class NewRecipient:
    """A number to dial (E.164) and what the agent shall know about it."""

    number: str = field(repr=False)
    variables: Mapping[str, Any] | None = field(default=None, repr=False)


def start_run(
    *,
    user: User,
    workspace: Workspace,
    node: Node,
    recipients: Sequence[NewRecipient],
    agent_node_id: str | None = None,
    max_concurrent: int = 5,
    pacing: str = Pacing.CHUNKED,
    name: str = "",
) -> Run:
    """Start a campaign over `recipients`, whose numbers are parsed and each there once.

    Invalid where agent, number or account cannot be told; Conflict where the node is running one already;
    AccountExhausted where the account is known to have no credits.
    """
    lines = line_up(workspace=workspace, node=node, agent_node_id=agent_node_id)
    _refuse_exhausted(lines.account)
    now = timezone.now()
    try:
        with transaction.atomic():
            run = Run.objects.create(
                workspace=workspace,
                node=node,
                agent=lines.agent,
                phone_provider=lines.phone_provider,
                voice_stack=lines.voice_stack,
                provider_id=lines.provider_id,
                account=lines.account,
                api_key=lines.api_key,
                name=name,
                max_concurrent=max_concurrent,
                pacing=pacing,
                next_at=now,
                created_by_id=user.pk,
            )
            _write_recipients(run, recipients)
            transaction.on_commit(partial(reach, Point.RUN_STARTED))
            _record("started", run, user, numbers=len(recipients), max_concurrent=max_concurrent)
            ring_runs([run.pk])
    except IntegrityError as error:
        raise _conflict(node) from error
    return run


def _write_recipients(run: Run, recipients: Sequence[NewRecipient]) -> None:
    for start in range(0, len(recipients), INSERT_AT_ONCE):
        part = recipients[start : start + INSERT_AT_ONCE]
        positions = list(range(start, start + len(part)))
        numbers = [new.number for new in part]
        variables = [orjson.dumps(dict(new.variables)).decode() if new.variables else None for new in part]
        with connection.cursor() as cursor:
            cursor.execute(_INSERT_RECIPIENTS, [run.pk, RecipientStatus.PENDING, positions, numbers, variables])
    sequence, at = take_numbers(2)
    RunProgress.objects.create(run=run, numbers_count=len(recipients), pending=len(recipients), version=next(sequence))
    write_events([run_event(run, "run.created", {"numbers_count": len(recipients)})], sequence, at)


def pause_run(*, run: Run, user: User) -> Run:
    """Submit nothing more. Waits at most for a submission on the wire; from the answer on, nothing is submitted.

    What the provider has not dialled is taken back; calls that are up end by themselves.
    """
    with _nothing_on_the_wire(run), transaction.atomic():
        run = locked_run(run.pk)
        if run.status in {RunStatus.PAUSED, RunStatus.PAUSING}:
            return run
        if run.status != RunStatus.RUNNING:
            raise Conflict(f"This campaign is {run.status}; only a running campaign can be paused.")
        reach(Point.PAUSE_LOCKED)
        transaction.on_commit(partial(reach, Point.PAUSED))
        stop_run(run, reason="", now=timezone.now(), by=user.pk)
        _record("paused", run, user)
        _settle_down(run)
    return run


def cancel_run(*, run: Run, user: User, hangup: bool = False) -> Run:
    """Give the campaign up, at once. Calls that are up end by themselves, or with `hangup` where the stack can end
    them; `finished_at` is when the last one has ended.
    """
    with _nothing_on_the_wire(run), transaction.atomic():
        run = locked_run(run.pk)
        if run.status == RunStatus.CANCELLED:
            if hangup and not run.hangs_up:
                change_run(run, hangs_up=True)
                _settle_down(run)
            return run
        if run.status == RunStatus.COMPLETED:
            raise Conflict("This campaign is completed; there is nothing left to cancel.")
        reach(Point.CANCEL_LOCKED)
        transaction.on_commit(partial(reach, Point.CANCELLED))
        gone = cancel_pending(run)
        change_run(
            run,
            event="run.cancelled",
            data={"by": user.pk},
            deltas={"pending": -gone, "cancelled": gone},
            status=RunStatus.CANCELLED,
            hangs_up=hangup,
            wait_reason="",
            next_attempt_at=None,
            next_at=timezone.now(),
        )
        _record("cancelled", run, user, not_dialled=gone, hangup=hangup)
        _settle_down(run)
    return run


def resume_run(*, run: Run, user: User) -> Run:
    """Go on where a paused campaign stopped, with a working key of the same account."""
    _refuse_exhausted(run.account)
    try:
        with transaction.atomic():
            run = locked_run(run.pk)
            if run.status != RunStatus.PAUSED:
                raise Conflict(
                    f"This campaign is {run.get_status_display().lower()}; only a paused campaign can be resumed."
                )
            fields: dict[str, Any] = {"status": RunStatus.RUNNING, "wait_reason": "", "next_attempt_at": None}
            fields |= {"api_key": _working_key(run), "next_at": timezone.now()}
            RunProgress.objects.filter(pk=run.pk).update(recent="")  # the breaker counts anew
            transaction.on_commit(partial(reach, Point.RESUMED))
            change_run(run, event="run.resumed", data={"by": user.pk}, **fields)
            _record("resumed", run, user)
            ring_runs([run.pk])
    except IntegrityError as error:
        raise _conflict(run.node) from error
    return run


def rename_run(*, run: Run, name: str, user: User) -> Run:
    """Give the campaign another name of at most 200 characters, whatever its state."""
    if len(name) > LONGEST_NAME:
        sentence = f"A campaign's name has at most {LONGEST_NAME} characters; this one has {len(name)}."
        raise Invalid(sentence, errors={"name": [sentence]})
    with transaction.atomic():
        run = locked_run(run.pk)
        changes = changed({"name": run.name}, {"name": name})
        change_run(run, event="run.renamed", data={"by": user.pk}, name=name)
        _record("renamed", run, user, **changes)
    return run


def _record(done: str, run: Run, user: User, **changes: Any) -> None:
    record(action=f"campaign.{done}", about=run, workspace=run.workspace, changes=changes, by=user)


def _settle_down(run: Run) -> None:
    """Have what is out there looked after at once: undialled numbers taken back, the resting state reached."""
    ring_chunks(Chunk.objects.filter(run=run, next_at__isnull=False).values_list("pk", flat=True))
    Chunk.objects.filter(run=run, status=ChunkStatus.DIALING).update(next_at=timezone.now())
    ring_runs([run.pk])


@contextmanager
def _nothing_on_the_wire(run: Run) -> Iterator[None]:
    """Hold the run's lock, with no submission under way; Unavailable (503) where one takes too long."""
    with run_lock(run.pk, wait=submit_timeout() + timedelta(seconds=5)) as mine:
        if not mine:
            raise Unavailable("The campaign is busy submitting calls; please try again in a few seconds.")
        _wait_for_the_wire(run)
        yield


def _wait_for_the_wire(run: Run) -> None:
    """A worker that died while submitting took its lock along; its request may still be arriving."""
    deadline = time.monotonic() + submit_timeout().total_seconds()
    while time.monotonic() < deadline:
        since = timezone.now() - submit_timeout()
        if not Chunk.objects.filter(run=run, status=ChunkStatus.SUBMITTING, submitted_at__gt=since).exists():
            return
        time.sleep(0.1)


def _working_key(run: Run) -> ElevenLabsKey:
    if run.api_key is not None and run.api_key.status == KeyStatus.WORKING:
        return run.api_key
    key = newest_working_key(workspace=run.workspace, account=_account_of_key(run))
    if key is None:
        raise Conflict("No working ElevenLabs key of this campaign's account is left; add one, then resume.")
    return key


def _account_of_key(run: Run) -> Account | None:
    """Whose key its agent talks with: the one it dials through, unless that is a PBX."""
    if run.api_key is not None:
        return run.api_key.account
    return run.account if run.account.voice_stack == VoiceStack.ELEVENLABS else run.agent.account


def _refuse_exhausted(account: Account) -> None:
    if account.exhausted_at is None:
        return
    again = account.exhausted_at + EXHAUSTED_FOR - timezone.now()
    if again > timedelta():
        raise AccountExhausted(
            "The ElevenLabs account has used up its quota; top it up, then try again.", retry_after=again
        )


def _conflict(node: Node) -> Conflict:
    running = Run.objects.filter(node=node, status__in=ACTIVE).first()
    name = running.call_id if running else "another campaign"
    return Conflict(f"This node is already running campaign {name}; wait until it ends, or pause or cancel it.")
