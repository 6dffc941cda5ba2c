"""Who answers a number: the agent of its provider's agent node; and numbers taken over from ElevenLabs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agents.models import Agent
from agents.services import NO_KEY
from aispinner.core.errors import Conflict, Invalid
from aispinner.core.models import Node
from integrations.elevenlabs.client import ElevenLabsClient
from integrations.errors import ProviderError
from integrations.models import PhoneProvider
from integrations.overview import AccountNumber, list_numbers
from integrations.phone_providers import save_imported
from integrations.problems import sentence_for
from integrations.services import newest_working_key, register_number, working_keys


@dataclass(frozen=True, kw_only=True)
class Answering:
    """Whether the agent answers the number now, and a sentence on why (not)."""

    answers: bool
    detail: str


def have_answered(*, provider: PhoneProvider) -> Answering:
    """Make the agent of the provider's agent node answer its number; never raises for ElevenLabs' sake."""
    if provider.agent_node is None:
        return Answering(answers=False, detail="No agent_node_id is set: incoming calls are not answered from here.")
    agent = Agent.objects.select_related("account").filter(node=provider.agent_node).first()
    if agent is None:
        return Answering(answers=False, detail="No agent was adopted into that node yet. Adopt one, then PUT again.")
    key = newest_working_key(workspace=provider.node.workspace, account=agent.account)
    if key is None:
        return Answering(answers=False, detail=NO_KEY)
    if not provider.phone:
        return Answering(answers=False, detail="The number is not known: set sip_phone (E.164).")
    try:
        phone_number_id = register_number(phone_provider=provider, key=key)
        ElevenLabsClient(api_key=key.key).assign_agent(phone_number_id, agent.elevenlabs_agent_id)
    except ProviderError as error:
        return Answering(answers=False, detail=f"Saved, but not answered yet. {sentence_for(error)}")
    return Answering(answers=True, detail="The agent answers this number.")


def import_number(*, node: Node, phone_number_id: str = "", phone_number: str = "") -> PhoneProvider:
    """Take over a number from the workspace's ElevenLabs accounts: the one named, else the one assigned to the node's
    agent, else the only one.

    Invalid (422) where there is no key, or nothing fits; Conflict (409) listing the choices where several do.
    """
    keys = working_keys(workspace=node.workspace)
    if not keys:
        raise Invalid(NO_KEY)
    numbers = list_numbers(keys=keys).found
    chosen = _choose(numbers, node=node, phone_number_id=phone_number_id, phone_number=phone_number)
    return save_imported(
        node=node, number=chosen.number, account=chosen.key.account, agent_node=_node_of_agent(node, chosen)
    )


def _choose(numbers: Sequence[AccountNumber], *, node: Node, phone_number_id: str, phone_number: str) -> AccountNumber:
    fitting = list(numbers)
    if phone_number_id or phone_number:
        fitting = [
            each
            for each in numbers
            if (not phone_number_id or each.number.id == phone_number_id)
            and (not phone_number or each.number.phone_number == phone_number)
        ]
    else:
        mine = _agents_of(node)
        fitting = [each for each in numbers if each.number.agent_id in mine] or fitting
    if not fitting:
        raise Invalid(
            "ElevenLabs has no such phone number. GET /integrations/sip/phone-numbers lists them."
            if numbers
            else "The ElevenLabs account has no phone numbers. Add one there, or PUT the carrier's credentials here."
        )
    if len(fitting) > 1:
        choices = [f"{each.number.id} ({each.number.phone_number})" for each in fitting[:50]]
        raise Conflict(
            f"{len(fitting)} numbers fit. Say which with phone_number_id: {', '.join(choices)}.",
            errors={"phone_number_id": choices},
        )
    return fitting[0]


def _agents_of(node: Node) -> set[str]:
    """Ids, at ElevenLabs, of the agents that this node is connected to or answered by."""
    nodes = [*node.connections.all(), *node.connected_from.all()]
    provider = PhoneProvider.objects.select_related("agent_node").filter(node=node).first()
    if provider is not None and provider.agent_node is not None:
        nodes = [provider.agent_node]
    return set(Agent.objects.filter(node__in=nodes).values_list("elevenlabs_agent_id", flat=True))


def _node_of_agent(node: Node, chosen: AccountNumber) -> Node | None:
    """The node of this workspace whose agent answers the number at ElevenLabs, if there is exactly one."""
    if not chosen.number.agent_id:
        return None
    agents = Agent.objects.filter(workspace=node.workspace, elevenlabs_agent_id=chosen.number.agent_id)
    nodes = [agent.node for agent in agents.select_related("node")[:2]]
    return nodes[0] if len(nodes) == 1 else None
