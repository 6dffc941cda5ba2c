"""A workspace that has a number and an agent at an account: who rings it, and what our journal knows of that."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from aispinner.core.models import Node, NodeType, Workspace
from integrations.models import Account
from telephony.inbound.look import look
from telephony.models import Call
from tests.dialer.provider import Provider
from tests.dialer.threads import eventually
from tests.factories import make_agent, make_node, make_phone_provider, make_workspace

AGENT, OTHER_AGENT = "agent_xyz", "agent_7101k5zvyjhmfg983brhmhkd98n6"
NUMBER, CALLER = "+15550100100", "+15550100199"
ENDED = {"done", "failed"}


@dataclass
class House:
    """A workspace, its blocks, and the simulated account that they are at."""

    provider: Provider
    workspace: Workspace
    phone_number_id: str
    pbx: Node
    phone: Node
    agent: Node

    @property
    def account(self) -> Account:
        return self.provider.account()

    def ring(self, *, caller: str = CALLER, **more: Any) -> str:
        """Somebody rings the number; the conversation's id."""
        body = {"account": self.provider.name, "phone_number_id": self.phone_number_id, "agent_id": AGENT}
        answer = self.provider.http.post("/_sim/inbound", json=body | {"from_number": caller} | more)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["conversation_id"])

    def ring_out(self, to: str, **client_data: Any) -> str:
        """A call as ElevenLabs' own pages place it."""
        body = {
            "agent_id": AGENT,
            "agent_phone_number_id": self.phone_number_id,
            "to_number": to,
            "conversation_initiation_client_data": client_data,
        }
        headers = {"xi-api-key": self.provider.secret}
        answer = self.provider.http.post("/v1/convai/sip-trunk/outbound-call", json=body, headers=headers)
        return str(answer.json()["conversation_id"])

    def comes_to(self, conversation_id: str, *statuses: str) -> None:
        """Wait until the conversation has come so far; to its end, where nothing is said."""
        path, headers = f"/v1/convai/conversations/{conversation_id}", {"xi-api-key": self.provider.secret}
        wanted = set(statuses) or ENDED
        eventually(lambda: self.provider.http.get(path, headers=headers).json()["status"] in wanted)

    def rings_and_talks(self, **more: Any) -> str:
        """A whole call to the number; the conversation's id."""
        conversation_id = self.ring(**more)
        self.comes_to(conversation_id)
        return conversation_id

    def look(self) -> None:
        """A look at the account's conversations, as if it were time for it."""
        Account.objects.filter(pk=self.account.pk).update(next_look_at=timezone.now())
        look(self.account.pk)

    def known_until(self) -> datetime:
        return Account.objects.get(pk=self.account.pk).conversations_known_until


def move_in(
    provider: Provider, *, workspace: Workspace | None = None, number: str = NUMBER, agent_id: str = AGENT
) -> House:
    """A workspace with a PBX, a number and an agent at the provider's account, whose calls are all answered."""
    workspace = workspace or make_workspace()
    account = provider.account()
    phone_number_id = "phnum_" + hashlib.sha256(provider.name.encode()).hexdigest()[:28]
    if number != NUMBER:
        phone_number_id = add_number(provider, number)
    provider.key(workspace)
    phone = make_node(workspace=workspace, type=NodeType.PHONE_NUMBER)
    agent = make_node(workspace=workspace, type=NodeType.AGENT)
    pbx = make_node(workspace=workspace, connected_to=[phone])
    make_phone_provider(node=phone, phone=number, agent_node=agent, registered=account, registered_id=phone_number_id)
    make_agent(node=agent, account=account, elevenlabs_agent_id=agent_id)
    provider.script([CALLER], outcome="answered", talk_secs=30, result="success")
    return House(
        provider=provider, workspace=workspace, phone_number_id=phone_number_id, pbx=pbx, phone=phone, agent=agent
    )


def add_number(provider: Provider, number: str) -> str:
    """Another number of the account; its id there."""
    body = {"provider": "twilio", "phone_number": number, "label": "Another", "sid": "ACx", "token": "a token"}
    headers = {"xi-api-key": provider.secret}
    answer = provider.http.post("/v1/convai/phone-numbers", json=body, headers=headers)
    return str(answer.json()["phone_number_id"])


def only_call() -> Call:
    """The one call there is."""
    [call] = Call.objects.all()
    return call
