"""Rows for tests, each with the least that makes it whole; say only what the test is about."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from agents.models import Agent
from aispinner.core.models import Membership, Node, NodeType, Role, Workspace
from integrations.calls import VoiceStack
from integrations.models import Account, Carrier, ElevenLabsKey, PhoneProvider
from telephony.models import Pacing, Recipient, Run, RunProgress, RunStatus

_numbers = count(1)


def make_user(name: str = "", *, password: str = "correct horse") -> User:
    """A person; `password` opens POST /auth/token."""
    return User.objects.create_user(name or f"user{next(_numbers)}", password=password)


def make_workspace(
    name: str = "Acme", *, owner: User | None = None, editor: User | None = None, viewer: User | None = None
) -> Workspace:
    """A workspace with the given members."""
    workspace = Workspace.objects.create(name=name)
    for user, role in ((owner, Role.OWNER), (editor, Role.EDITOR), (viewer, Role.VIEWER)):
        if user is not None:
            make_member(workspace=workspace, user=user, role=role)
    return workspace


def make_member(*, workspace: Workspace, user: User, role: Role = Role.VIEWER) -> Membership:
    """`user` as a member of `workspace`."""
    return Membership.objects.create(workspace=workspace, user=user, role=role)


def make_node(
    *,
    workspace: Workspace,
    type: NodeType = NodeType.PBX,  # noqa: A002 - the field's own name
    node_id: str = "",
    title: str = "",
    config: dict[str, Any] | None = None,
    connected_to: Sequence[Node] = (),
) -> Node:
    """A node, connected to `connected_to`."""
    node = Node.objects.create(
        workspace=workspace,
        type=type,
        node_id=node_id or f"node_{next(_numbers)}",
        title=title,
        config=config or {},
    )
    node.connections.set(connected_to)
    return node


def make_account(external_id: str = "", *, limit: int = 20, voice_stack: VoiceStack = VoiceStack.ELEVENLABS) -> Account:
    """A provider's account with `limit` lines, whose conversations nobody lists."""
    return Account.objects.create(
        external_id=external_id or f"account{next(_numbers)}",
        concurrency_limit=limit,
        voice_stack=voice_stack,
        next_look_at=None,
    )


def make_key(
    *, workspace: Workspace, account: Account | None = None, key: str = "", title: str = "Key"
) -> ElevenLabsKey:
    """A working key of `account`, or of an account of its own."""
    text = key or f"sk_test_{next(_numbers):04}"
    return ElevenLabsKey.objects.create(
        workspace=workspace, account=account or make_account(), key=text, last4=text[-4:], title=title
    )


def make_phone_provider(
    *,
    node: Node,
    phone: str = "+15550100000",
    agent_node: Node | None = None,
    registered: Account | None = None,
    registered_id: str = "",
) -> PhoneProvider:
    """A Twilio number on an `ai.phone_number` node; `registered` at an ElevenLabs account, where given."""
    return PhoneProvider.objects.create(
        node=node,
        agent_node=agent_node,
        provider=Carrier.TWILIO,
        twilio_sid="ACxxxxxxxx",
        twilio_token="a twilio token",
        twilio_phone=phone,
        registered_account=registered,
        registered_id=registered_id or (f"phnum_{next(_numbers)}" if registered else ""),
    )


def make_agent(
    *, node: Node, account: Account | None = None, elevenlabs_agent_id: str = "agent_xyz", name: str = "Agent"
) -> Agent:
    """An agent adopted into an `ai.agent` node."""
    return Agent.objects.create(
        workspace=node.workspace,
        node=node,
        account=account,
        elevenlabs_agent_id=elevenlabs_agent_id,
        name=name,
        refreshed_at=timezone.now(),
    )


def make_run(
    *,
    workspace: Workspace,
    node: Node | None = None,
    agent: Agent | None = None,
    phone_provider: PhoneProvider | None = None,
    key: ElevenLabsKey | None = None,
    numbers: Sequence[str] = ("+15550100123", "+15550100124"),
    status: RunStatus = RunStatus.RUNNING,
    **fields: Any,
) -> Run:
    """A campaign on ElevenLabs with `numbers` still to be dialled, and whatever it needs that is not given."""
    key = key or make_key(workspace=workspace)
    if phone_provider is None:
        phone_provider = make_phone_provider(
            node=make_node(workspace=workspace, type=NodeType.PHONE_NUMBER), registered=key.account
        )
    run = Run.objects.create(
        workspace=workspace,
        node=node or make_node(workspace=workspace, connected_to=[phone_provider.node]),
        agent=agent or make_agent(node=make_node(workspace=workspace, type=NodeType.AGENT), account=key.account),
        phone_provider=phone_provider,
        voice_stack=VoiceStack.ELEVENLABS,
        account=key.account,
        api_key=key,
        status=status,
        **{"pacing": Pacing.CHUNKED, "started_at": timezone.now(), **fields},
    )
    RunProgress.objects.create(run=run, numbers_count=len(numbers), pending=len(numbers))
    Recipient.objects.bulk_create(
        Recipient(run=run, position=position, number=number) for position, number in enumerate(numbers)
    )
    return run
