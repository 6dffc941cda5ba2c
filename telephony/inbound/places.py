"""Where a conversation that we did not start belongs: a workspace, and the blocks that it went through."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import F, Q, QuerySet

from agents.models import Agent
from aispinner.core.models import Node, NodeType
from integrations.calls import Origin
from integrations.models import Carrier, ElevenLabsKey, PhoneProvider
from integrations.numbers import parse_e164


@dataclass(frozen=True, kw_only=True)
class Place:
    """Row ids; a block is None where the conversation went through none of that kind, or none is known."""

    workspace_id: int
    pbx_node_id: int | None
    phone_node_id: int | None
    agent_node_id: int | None


class Places:
    """The places of one account's numbers and agents; each is looked up once.

    A number decides before an agent, as people ring numbers; of several workspaces the one that was there first has
    the conversation. A workspace without a key of the account has none of its conversations.
    """

    def __init__(self, *, account_id: int) -> None:
        self._account_id = account_id
        self._workspaces = ElevenLabsKey.objects.filter(account=account_id).values("workspace_id")
        self._found: dict[tuple[str, str, str], Place | None] = {}

    def of(self, origin: Origin) -> Place | None:
        """None where nobody here has the number or the agent."""
        ends = (origin.phone_number_id, origin.our_number, origin.agent_id)
        if ends not in self._found:
            self._found[ends] = self._find(origin)
        return self._found[ends]

    def _find(self, origin: Origin) -> Place | None:
        provider = self._provider(origin)
        agents = Agent.objects.filter(
            account=self._account_id, elevenlabs_agent_id=origin.agent_id, workspace__in=self._workspaces
        ).order_by("pk")
        if provider is None:
            agent = agents.first()
            if agent is None:
                return None
            return Place(
                workspace_id=agent.workspace_id, pbx_node_id=None, phone_node_id=None, agent_node_id=agent.node_id
            )
        theirs = agents.filter(workspace=provider.node.workspace_id)
        agent = theirs.filter(node=provider.agent_node_id).first() or theirs.first()
        return Place(
            workspace_id=provider.node.workspace_id,
            pbx_node_id=_only_pbx(provider.node),
            phone_node_id=provider.node_id,
            agent_node_id=agent.node_id if agent else None,
        )

    def _provider(self, origin: Origin) -> PhoneProvider | None:
        """By the number's id at the account, else by the number itself."""
        providers = PhoneProvider.objects.filter(node__workspace__in=self._workspaces).select_related("node")
        registered = providers.filter(registered_account=self._account_id)
        if origin.phone_number_id:
            found = registered.filter(registered_id=origin.phone_number_id).order_by("pk").first()
            if found is not None:
                return found
        return self._by_number(providers, e164_or_empty(origin.our_number))

    def _by_number(self, providers: QuerySet[PhoneProvider], number: str) -> PhoneProvider | None:
        if not number:
            return None
        here = Q(registered_account=self._account_id) | Q(registered_account=None)
        same = Q(provider=Carrier.TWILIO, twilio_phone=number) | Q(provider=Carrier.SIP, sip_phone=number)
        return providers.filter(here, same).order_by(F("registered_account").asc(nulls_last=True), "pk").first()


def e164_or_empty(number: str) -> str:
    """`number` where it is one; carriers also say `anonymous`, or an extension."""
    try:
        return parse_e164(number)
    except ValueError:
        return ""


def _only_pbx(phone_node: Node) -> int | None:
    """The PBX that the number is connected with, in either direction, if there is exactly one."""
    near = Q(connections=phone_node) | Q(connected_from=phone_node)
    found = list(Node.objects.filter(near, type=NodeType.PBX).distinct().values_list("pk", flat=True)[:2])
    return found[0] if len(found) == 1 else None
