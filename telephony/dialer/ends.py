"""Ends heard before they are told: a conversation is over seconds before its provider has analysed it and sends word.

While numbers wait for lines, each account is asked which of our conversations are over. Nothing rests on it: what is
not heard here is told by an event, or found by polling.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.db import transaction
from django.utils import timezone
from redis import RedisError

from aispinner.core import broker
from aispinner.core.crash_points import Point, reach
from integrations.calls import VoiceStack
from integrations.errors import ProviderError
from integrations.models import Account, ElevenLabsKey, KeyStatus
from telephony.dialer.bell import ring_listeners
from telephony.dialer.chunks import lease
from telephony.dialer.records import take_in
from telephony.models import Call, Run, RunStatus
from telephony.stacks import stack_for

REFUSED_WAIT = timedelta(seconds=15)  # until an account that would not answer is asked again

log = structlog.get_logger(__name__)


def listen() -> None:
    """Ring for the accounts in which numbers wait for lines."""
    stacks = [name for name in VoiceStack.values if stack_for(name).can_hear_ends]
    running = Run.objects.filter(status=RunStatus.RUNNING, finished_at=None, voice_stack__in=stacks)
    with transaction.atomic():
        ring_listeners(running.filter(progress__pending__gt=0).values_list("account", flat=True).distinct())


def hear_ends(account_id: int) -> None:
    """Free the lines of calls whose conversations are over. One worker at a time asks; two would do no harm."""
    if not _begin(account_id):
        return
    quiet = timedelta()
    try:
        _hear(account_id)
    except ProviderError as error:
        log.info("ends_not_heard", account_id=account_id, reason=error.reason.value)
        quiet = max(REFUSED_WAIT, error.retry_after or timedelta())
    _end(account_id, quiet=quiet)


def _hear(account_id: int) -> None:
    up = _up(account_id)
    key = ElevenLabsKey.objects.filter(account=account_id, status=KeyStatus.WORKING).order_by("-pk").first()
    if not up or key is None:
        return
    since = min(call.dispatched_at or call.created_at for call in up.values())
    stack = stack_for(Account.objects.get(pk=account_id).voice_stack)
    reports = stack.ended(key.key, up.keys(), since=since)
    reach(Point.ENDS_HEARD)
    if reports:
        take_in({up[id_].pk: report for id_, report in reports.items()}, now=timezone.now())


def _up(account_id: int) -> dict[str, Call]:
    """The account's calls that are up by all we know, by conversation."""
    calls = Call.objects.filter(run__account=account_id, ended_at=None, conversation_id__isnull=False)
    return {call.conversation_id or "": call for call in calls.only("conversation_id", "dispatched_at", "created_at")}


def _begin(account_id: int) -> bool:
    try:
        return bool(broker.client().set(_name(account_id), 1, nx=True, ex=lease()))
    except RedisError:
        return False


def _end(account_id: int, *, quiet: timedelta) -> None:
    """The account may be asked again, once it has been `quiet`."""
    try:
        if quiet:
            broker.client().set(_name(account_id), 1, ex=quiet)
        else:
            broker.client().delete(_name(account_id))
    except RedisError:
        log.warning("ends_not_heard", account_id=account_id, reason="broker_down")


def _name(account_id: int) -> str:
    return broker.key(f"hears-ends:{account_id}")
