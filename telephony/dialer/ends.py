"""Ends heard before they are told: a conversation is over seconds before its provider has analysed it and sends word.

While numbers wait for lines, each account is asked which of our conversations are over. Nothing rests on it: what is
not heard here is told by an event, or found by polling.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from redis import RedisError

from aispinner.core import broker
from aispinner.core.crash_points import Point, reach
from integrations.calls import VoiceStack
from integrations.errors import Answer, ProviderError
from integrations.http import longest_request
from integrations.models import Account, ElevenLabsKey, KeyStatus
from telephony.dialer.bell import ring_listeners
from telephony.dialer.records import take_in
from telephony.models import Call, Run, RunStatus
from telephony.stacks import stack_for

AT_ONCE = 16  # conversations read in one round; the others are, in the next
REFUSED_WAIT = timedelta(seconds=15)  # until an account that would not answer is asked again
READ_ONCE_IN = timedelta(minutes=1)  # a conversation that leaves open how it ended is told of when it is settled

log = structlog.get_logger(__name__)


def listen() -> None:
    """Ring for the accounts in which numbers wait for lines, and for nothing else."""
    stacks = [name for name in VoiceStack.values if stack_for(name).can_hear_ends]
    running = Run.objects.filter(status=RunStatus.RUNNING, finished_at=None, voice_stack__in=stacks)
    waiting = running.filter(Q(next_attempt_at=None) | Q(next_attempt_at__lte=timezone.now()), progress__pending__gt=0)
    with transaction.atomic():
        ring_listeners(waiting.values_list("account", flat=True).distinct())


def hear_ends(account_id: int) -> None:
    """Free the lines of calls whose conversations are over. One worker at a time asks; two would do no harm."""
    try:
        if not broker.client().set(_name(account_id), 1, nx=True, ex=_lease()):
            return
        quiet = _hear_with_some_key(account_id)
        if quiet:
            broker.client().set(_name(account_id), 1, ex=quiet)
        else:
            broker.client().delete(_name(account_id))
    except RedisError:
        log.warning("ends_not_heard", account_id=account_id, reason="broker_down")


def _lease() -> timedelta:
    """For a list, and conversations eight side by side. A worker that dies leaves the account unheard for so long."""
    return 3 * longest_request()


def _hear_with_some_key(account_id: int) -> timedelta:
    """Returns how long the account is to be left alone."""
    up = _up(account_id)
    keys = ElevenLabsKey.objects.filter(account=account_id, status=KeyStatus.WORKING) if up else ()
    for key in sorted(keys, key=lambda key: (key.created_at, key.pk), reverse=True):
        try:
            _hear(account_id, key.key, up)
        except ProviderError as error:
            log.info("ends_not_heard", account_id=account_id, key_id=key.pk, reason=error.reason.value)
            if error.answer is not Answer.REFUSED:
                return max(REFUSED_WAIT, error.retry_after or timedelta())
        else:
            return timedelta()
    return REFUSED_WAIT if keys else timedelta()


def _hear(account_id: int, secret: str, up: dict[str, Call]) -> None:
    stack = stack_for(Account.objects.get(pk=account_id).voice_stack)
    since = min(call.dispatched_at or call.created_at for call in up.values())
    over = [id_ for id_ in stack.over(secret, since=since) if id_ in up]
    new = _not_read_yet(account_id, over)[:AT_ONCE]
    if not new:
        return
    told = stack.read(secret, new)
    reach(Point.ENDS_HEARD)
    take_in({up[id_].pk: report for id_, report in told.reports.items()}, now=timezone.now())
    _remember_read(account_id, new if told.error is None else told.reports)
    if told.error is not None:
        raise told.error


def _up(account_id: int) -> dict[str, Call]:
    """The account's calls that are up by all we know, by conversation."""
    calls = Call.objects.filter(run__account=account_id, ended_at=None, conversation_id__isnull=False)
    return {call.conversation_id or "": call for call in calls.only("conversation_id", "dispatched_at", "created_at")}


def _not_read_yet(account_id: int, over: list[str]) -> list[str]:
    if not over:
        return []
    read: Any = broker.client().mget([_name(account_id, id_) for id_ in over])
    return [id_ for id_, known in zip(over, read, strict=True) if not known]


def _remember_read(account_id: int, conversations: Iterable[str]) -> None:
    for id_ in conversations:
        broker.client().set(_name(account_id, id_), 1, ex=READ_ONCE_IN)


def _name(account_id: int, conversation_id: str = "") -> str:
    return broker.key(f"hears-ends:{account_id}:{conversation_id}")
