"""Agents adopted from ElevenLabs: a copy of their configuration is kept here, nothing is ever written there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypeVar

import structlog
from django.db import transaction
from django.utils import timezone

from agents.configuration import raw_config, read_configuration
from agents.drift import Change, changes
from agents.models import Agent
from aispinner.core.errors import Invalid, NotFound
from aispinner.core.models import Node
from integrations.elevenlabs.client import ElevenLabsClient
from integrations.errors import ProviderError, Reason
from integrations.models import ElevenLabsKey
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
    found = _first_that_has(node, lambda client: client.get_agent(elevenlabs_agent_id))
    if found is None:
        sentence = "No ElevenLabs account of this workspace has this agent. GET /agents/elevenlabs/list lists them."
        raise Invalid(sentence, errors={"elevenlabs_agent_id": [sentence]})
    key, answer = found
    values = {
        **asdict(read_configuration(answer)),
        "workspace": node.workspace,
        "account": key.account,
        "elevenlabs_agent_id": elevenlabs_agent_id,
        "refreshed_at": timezone.now(),
    }
    with transaction.atomic():
        Node.objects.select_for_update(no_key=True).get(pk=node.pk)  # two at once are one agent
        agent, _ = Agent.objects.update_or_create(node=node, defaults=values)
    agent.node = node
    log.info("agent_adopted", workspace=node.workspace_id, agent=agent.pk)
    return agent


def drift_of(*, agent: Agent) -> Drift:
    """Compare the adopted configuration with what ElevenLabs has now."""
    found = _first_that_has(agent.node, lambda client: client.get_agent(agent.elevenlabs_agent_id), agent=agent)
    differences = changes(agent.raw_config, raw_config(found[1])) if found else []
    return Drift(agent=agent, changes=differences, missing=found is None, checked_at=timezone.now())


def _first_that_has(
    node: Node, ask: Callable[[ElevenLabsClient], dict[str, Any]], *, agent: Agent | None = None
) -> tuple[ElevenLabsKey, dict[str, Any]] | None:
    """The first of the workspace's accounts that has what is asked for, its key and its answer; None where none has.

    A key that fails hides nothing of the others; only where no account could say no is it an error.
    """
    keys = working_keys(workspace=node.workspace, account=agent.account if agent else None)
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
        raise problem_from(failure)
    return None
