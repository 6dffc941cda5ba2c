"""Which agent calls from which number through whose account: settled before a campaign starts, or refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.models import Agent
from aispinner.core.errors import Invalid
from aispinner.core.models import Node, NodeType, Workspace
from integrations.calls import VoiceStack
from integrations.models import Account, ElevenLabsKey, PhoneProvider
from integrations.services import newest_working_key
from telephony.models import TelephonySettings
from telephony.voice.lines.providers import NEEDED, Provider, account_of, provider_of


@dataclass(frozen=True, kw_only=True)
class LineUp:
    """Everything a campaign dials with."""

    agent: Agent
    phone_provider: PhoneProvider | None
    voice_stack: VoiceStack
    account: Account
    api_key: ElevenLabsKey | None
    provider_id: str = ""  # of the workspace's PBXs


def line_up(*, workspace: Workspace, node: Node, agent_node_id: str | None) -> LineUp:
    """What a campaign on `node` dials with; Invalid says what is missing and where to set it."""
    if node.type not in {NodeType.PBX, NodeType.PHONE_NUMBER}:
        raise Invalid(f"A campaign runs on a PBX or phone-number node; {node.node_id} is {node.type}.")
    provider = _phone_provider(node)
    stack = _voice_stack(workspace, node, provider)
    if stack == VoiceStack.CUSTOM_VOICE:
        return _over_pbx(workspace, node, _agent(workspace, node, provider, agent_node_id))
    if provider is None:
        raise Invalid(f"Node {node.node_id} has no number to call from: connect an ai.phone_number node that has one.")
    if not provider.phone:
        raise Invalid(
            f"The phone provider of node {provider.node.node_id} has no number to call from; "
            "set sip_phone (or twilio_phone) with PUT …/phone-provider."
        )
    agent = _agent(workspace, node, provider, agent_node_id)
    key = _key(workspace, agent)
    return LineUp(agent=agent, phone_provider=provider, voice_stack=stack, account=key.account, api_key=key)


def _over_pbx(workspace: Workspace, node: Node, agent: Agent) -> LineUp:
    pbx = _pbx(workspace, node)
    key = _key(workspace, agent)
    return LineUp(
        agent=agent,
        phone_provider=None,
        voice_stack=VoiceStack.CUSTOM_VOICE,
        account=account_of(pbx),
        api_key=key,
        provider_id=pbx.id,
    )


def _pbx(workspace: Workspace, node: Node) -> Provider:
    """The provider that the node names in its config, else the workspace's default."""
    named = node.config.get("provider_id")
    provider_id = named if named is not None else _settings(workspace).get("default_provider_id")
    if not provider_id:
        raise Invalid(
            f"Node {node.node_id} dials through your own PBX, and none is set: put its provider_id into the node's "
            "config, or set default_provider_id with PUT /telephony/settings."
        )
    found = provider_of(workspace_id=workspace.pk, provider_id=str(provider_id))
    if found is None:
        raise Invalid(
            f"Provider {str(provider_id)[:100]} is missing in the telephony settings, or lacks one of: "
            f"{', '.join(NEEDED)}. Set it with PUT /telephony/settings."
        )
    return found


def _settings(workspace: Workspace) -> Mapping[str, Any]:
    stored = TelephonySettings.objects.filter(workspace=workspace).first()
    return stored.settings_json if stored is not None else {}


def _connected(node: Node, type_: NodeType) -> list[Node]:
    """Nodes of a type that `node` is connected to, whichever way the line was drawn."""
    return list(
        (node.connections.filter(type=type_) | node.connected_from.filter(type=type_)).distinct().order_by("pk")
    )


def _phone_provider(node: Node) -> PhoneProvider | None:
    nodes = [node] if node.type == NodeType.PHONE_NUMBER else _connected(node, NodeType.PHONE_NUMBER)
    providers = list(PhoneProvider.objects.filter(node__in=nodes).select_related("node", "agent_node"))
    if len(providers) > 1:
        names = ", ".join(provider.node.node_id for provider in providers)
        raise Invalid(f"Node {node.node_id} has several phone numbers ({names}); start on the one to call from.")
    return providers[0] if providers else None


def _voice_stack(workspace: Workspace, node: Node, provider: PhoneProvider | None) -> VoiceStack:
    chosen = node.config.get("voice_stack") if isinstance(node.config, dict) else None
    if chosen is not None:
        if chosen not in VoiceStack.values:
            raise Invalid(f"voice_stack of node {node.node_id} takes one of: {', '.join(VoiceStack.values)}.")
        return VoiceStack(chosen)
    if provider is not None:
        return VoiceStack.ELEVENLABS
    if _settings(workspace).get("default_provider_id"):
        return VoiceStack.CUSTOM_VOICE
    raise Invalid(
        f"Node {node.node_id} has nothing to call through: connect an ai.phone_number node with a phone provider, "
        "or set a default provider in the telephony settings."
    )


def _agent(workspace: Workspace, node: Node, provider: PhoneProvider | None, agent_node_id: str | None) -> Agent:
    if agent_node_id is not None:
        chosen = Node.objects.filter(workspace=workspace, node_id=agent_node_id, type=NodeType.AGENT).first()
        if chosen is None:
            raise Invalid(
                f"There is no agent node {agent_node_id} in this workspace.",
                errors={"agent_node_id": ["Name an ai.agent node of this workspace."]},
            )
        nodes = [chosen]
    else:
        nodes = _connected(node, NodeType.AGENT) or ([provider.agent_node] if provider and provider.agent_node else [])
    if not nodes:
        raise Invalid(f"Node {node.node_id} has no agent: connect an ai.agent node to it, or give agent_node_id.")
    if len(nodes) > 1:
        names = ", ".join(each.node_id for each in nodes)
        raise Invalid(f"Node {node.node_id} is connected to several agents ({names}); say which with agent_node_id.")
    agent = Agent.objects.filter(node=nodes[0]).first()
    if agent is None:
        raise Invalid(f"No ElevenLabs agent is adopted on node {nodes[0].node_id}; adopt one with POST /agents/adopt.")
    return agent


def _key(workspace: Workspace, agent: Agent) -> ElevenLabsKey:
    """The newest working key; of the agent's own account, where that is known."""
    key = newest_working_key(workspace=workspace, account=agent.account)
    if key is None:
        raise Invalid(
            "This workspace has no working ElevenLabs key for the agent's account; "
            "add one with POST /integrations/elevenlabs/keys."
        )
    return key
