"""Agents adopted from ElevenLabs: a copy of their configuration is kept here, nothing is ever written there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import structlog
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from agents.configuration import raw_config, read_configuration
from agents.drift import Change, changes
from agents.models import Agent
from aispinner.core.audit import record
from aispinner.core.errors import Invalid, NotFound, Problem
from aispinner.core.models import Node, Workspace
from integrations.elevenlabs.client import ElevenLabsClient
from integrations.errors import ProviderError, Reason
from integrations.models import Account, ElevenLabsKey
from integrations.problems import problem_from
from integrations.services import mark_key_refused, working_keys

T = TypeVar("T")
NO_KEY = "This workspace has no working ElevenLabs key. POST /integrations/elevenlabs/keys adds one."

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Drift:
    """What changed at ElevenLabs since the agent was adopted; `missing`: it is not there any more."""

    agent: Agent
    changes: list[Change]
    missing: bool
    checked_at: datetime


def agent_of(*, node: Node) -> Agent:
    """The agent adopted into `node`; NotFound (404) where there is none."""
    agent = Agent.objects.select_related("node", "account").filter(node=node).first()
    if agent is None:
        raise NotFound("No agent was adopted into this node. POST /agents/adopt adopts one.")
    return agent


def adopt_agent(*, node: Node, elevenlabs_agent_id: str) -> Agent:
    """Copy the agent's configuration into `node`; again is a refresh.

    Invalid (422) where the workspace has no working key, or none of its accounts has the agent; ProviderFailed (502)
    where ElevenLabs cannot be asked.
    """
    found = _found(workspace=node.workspace, elevenlabs_agent_id=elevenlabs_agent_id)
    if found is None:
        raise no_such_agent()
    key, answer = found
    values = {
        **asdict(read_configuration(answer)),
        "workspace": node.workspace,
        "account": key.account,
        "elevenlabs_agent_id": elevenlabs_agent_id,
        "refreshed_at": timezone.now(),
        "drift": [],
        "is_missing": False,
        "compared_at": timezone.now(),
    }
    with transaction.atomic():
        Node.objects.select_for_update(no_key=True).get(pk=node.pk)  # two at once are one agent
        agent, is_new = Agent.objects.update_or_create(node=node, defaults=values)
        agent.node = node
        record(
            action="agent.adopted" if is_new else "agent.refreshed",
            about=agent,
            workspace=node.workspace,
            changes={"elevenlabs_agent_id": elevenlabs_agent_id},
        )
    log.info("agent_adopted", workspace=node.workspace_id, agent=agent.pk)
    return agent


def drift_of(*, agent: Agent) -> Drift:
    """Compare the adopted configuration with what ElevenLabs has now, and remember what came of it."""
    found = _found(workspace=agent.node.workspace, elevenlabs_agent_id=agent.elevenlabs_agent_id, account=agent.account)
    differences = changes(agent.raw_config, raw_config(found[1])) if found else []
    drift = Drift(agent=agent, changes=differences, missing=found is None, checked_at=timezone.now())
    agent.drift, agent.is_missing = [asdict(change) for change in differences], drift.missing
    agent.compared_at = drift.checked_at
    same = Agent.objects.filter(pk=agent.pk, refreshed_at=agent.refreshed_at)  # not one adopted again meanwhile
    same.update(drift=agent.drift, is_missing=agent.is_missing, compared_at=agent.compared_at)
    return drift


def compare_the_oldest(*, older_than: timedelta, most: int) -> int:
    """Compare the agents that were not for so long; returns how many. One that cannot be asked about waits its turn."""
    due = Agent.objects.filter(Q(compared_at__lt=timezone.now() - older_than) | Q(compared_at=None))
    compared = 0
    for agent in due.select_related("node__workspace", "account").order_by(F("compared_at").asc(nulls_first=True))[
        :most
    ]:
        try:
            drift_of(agent=agent)
            compared += 1
        except Problem:
            Agent.objects.filter(pk=agent.pk).update(compared_at=timezone.now())
    return compared


def no_such_agent() -> Invalid:
    """422 about the agent that was named."""
    sentence = "No ElevenLabs account of this workspace has this agent. GET /agents/elevenlabs/list lists them."
    return Invalid(sentence, errors={"elevenlabs_agent_id": [sentence]})


def first_account_with(
    *, workspace: Workspace, ask: Callable[[ElevenLabsClient], T], account: Account | None = None
) -> tuple[ElevenLabsKey, T] | None:
    """The first of the workspace's accounts that has what is asked for: a key of it, and the answer. None: none has it.

    Invalid (422) without a working key. A key that fails hides nothing of the others; only where no account could say
    no is it a ProviderError.
    """
    keys = working_keys(workspace=workspace, account=account)
    if not keys:
        raise Invalid(NO_KEY)
    without: set[int] = set()
    failure: ProviderError | None = None
    for key in keys:
        if key.account_id in without:
            continue
        try:
            return key, ask(ElevenLabsClient(api_key=key.key))
        except ProviderError as error:
            if error.reason in {Reason.AGENT_MISSING, Reason.NOT_FOUND, Reason.INVALID}:
                without.add(key.account_id)
                continue
            failure = failure or error
            if error.reason is Reason.KEY_REFUSED:
                mark_key_refused(key_id=key.pk)
    if failure is not None and not {key.account_id for key in keys} <= without:
        raise failure
    return None


def _found(
    *, workspace: Workspace, elevenlabs_agent_id: str, account: Account | None = None
) -> tuple[ElevenLabsKey, dict[str, Any]] | None:
    try:
        return first_account_with(
            workspace=workspace, ask=lambda client: client.get_agent(elevenlabs_agent_id), account=account
        )
    except ProviderError as error:
        raise problem_from(error) from None
