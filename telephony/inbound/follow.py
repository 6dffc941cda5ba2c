"""Calls that no chunk looks after, asked about until they are settled; nothing stays in progress for ever."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from agents.models import Agent
from integrations.calls import CallReport, Phase
from integrations.elevenlabs.client import ElevenLabsClient
from integrations.errors import ProviderError
from telephony.dialer.chunks import RING_AND_REPORT, longest_call
from telephony.dialer.records import LOST_SIGHT, take_in
from telephony.inbound.asking import SIDE_BY_SIDE, Told, ask, parts
from telephony.models import Call

MOST = 200  # calls in one look
LONGEST_OTHERWISE = timedelta(hours=2) + RING_AND_REPORT  # of an agent that is not adopted here
SETTLE_WITHIN = timedelta(hours=1)  # how long the analysis of an ended call is asked for


def follow(account_id: int, client: ElevenLabsClient, *, now: datetime, stop_at: float) -> None:
    """Take over what the provider says of the account's unsettled calls, oldest first and until `stop_at` (monotonic
    seconds), and end the silent ones. ProviderError.
    """
    calls = list(_followed(account_id, now=now)[:MOST])
    agents = _agents(calls)
    for part in parts(calls, 2 * SIDE_BY_SIDE):
        if time.monotonic() > stop_at:
            return
        told = ask(client, [call.conversation_id or "" for call in part])
        reports = {call.pk: _report(call, told[call.conversation_id or ""], agents, now=now) for call in part}
        take_in({pk: report for pk, report in reports.items() if report is not None}, now=now)


def end_silent(account_id: int, *, now: datetime, late: timedelta = timedelta()) -> None:
    """The provider cannot be asked: what must have been over for `late` is ended without it."""
    calls = list(_followed(account_id, now=now).filter(ended_at=None)[:MOST])
    agents = _agents(calls)
    silent = [call for call in calls if _is_silent(call, agents, now=now - late)]
    take_in({call.pk: LOST_SIGHT for call in silent}, now=now)


def _followed(account_id: int, *, now: datetime) -> QuerySet[Call]:
    """Not those that a bridge holds: it says itself when they have ended, and is missed when it cannot."""
    calls = Call.objects.filter(account=account_id, chunk=None, settled_at=None, conversation_id__isnull=False)
    calls = calls.filter(Q(voice_session=None) | Q(voice_session__ended_at__isnull=False))
    return calls.exclude(ended_at__lt=now - SETTLE_WITHIN).order_by("pk")


def _report(call: Call, told: Told, agents: Mapping[int | None, Agent], *, now: datetime) -> CallReport | None:
    """What was told, or an end without it for a call that is up by all we know, beyond any conversation's end."""
    report = None if isinstance(told, ProviderError) else told
    if call.ended_at is not None or (report is not None and report.phase in {Phase.ENDED, Phase.NOT_DIALLED}):
        return report
    return LOST_SIGHT if _is_silent(call, agents, now=now) else report


def _is_silent(call: Call, agents: Mapping[int | None, Agent], *, now: datetime) -> bool:
    agent = agents.get(call.agent_node_id)
    longest = longest_call(agent) if agent is not None else LONGEST_OTHERWISE
    return (call.dispatched_at or call.created_at) + longest < now


def _agents(calls: Sequence[Call]) -> Mapping[int | None, Agent]:
    nodes = {call.agent_node_id for call in calls if call.agent_node_id is not None}
    return {agent.node_id: agent for agent in Agent.objects.filter(node__in=nodes)}
