"""A workspace with one of everything, each thing bearing a mark by which it is known wherever it turns up."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from aispinner.core.auth import issue_token
from aispinner.core.models import NodeType, Workspace
from integrations.calls import Direction
from integrations.models import Account, Carrier, ElevenLabsKey, PhoneProvider, WebhookEndpoint
from telephony.dialer.ledger import take_numbers
from telephony.models import Call, CallEvent, Chunk, ChunkStatus, Run, RunStatus, TelephonySettings
from telephony.recordings import recording_name
from tests.factories import make_agent, make_key, make_node, make_phone_provider, make_run
from tests.journal.rows import make_call


@dataclass(frozen=True, kw_only=True)
class World:
    """A workspace, the ids by which its things are asked for, and all that may be seen of it by nobody else."""

    workspace: Workspace
    mark: str
    ids: dict[str, str]
    call: Call
    run: Run
    key: ElevenLabsKey
    provider: PhoneProvider
    endpoint: WebhookEndpoint
    secrets: list[str]

    @property
    def marks(self) -> list[str]:
        """What must not be seen from elsewhere."""
        return [self.mark, self.ids["call_id"], self.ids["run_id"], self.ids["public_id"], self.endpoint.public_id]


def make_world(*, workspace: Workspace, owner: User, member: User, mark: str) -> World:
    """One of everything in `workspace`. Node ids are the same in every world; a campaign in it is paused."""
    workspace.name = f"{mark} workspace"
    workspace.save()
    account = Account.objects.create(external_id=f"account {mark}", concurrency_limit=20, tier=mark)
    key = make_key(workspace=workspace, account=account, key=f"sk_{mark}_0001", title=f"{mark} key")
    spare = make_key(workspace=workspace, account=account, key=f"sk_{mark}_0002", title=f"{mark} spare")
    titled: dict[str, Any] = {"workspace": workspace, "config": {"note": mark}}
    agent_node = make_node(**titled, type=NodeType.AGENT, node_id="agent_xyz", title=f"{mark} agent")
    phone = make_node(**titled, type=NodeType.PHONE_NUMBER, node_id="phone_abc", title=f"{mark} phone")
    pbx = make_node(**titled, node_id="pbx_abc123", title=f"{mark} PBX", connected_to=[agent_node, phone])
    make_node(**titled, node_id="spare", title=f"{mark} spare")
    trunk = make_node(**titled, type=NodeType.PHONE_NUMBER, node_id="trunk", title=f"{mark} trunk")
    agent = make_agent(node=agent_node, account=account, name=f"{mark} agent")
    agent.prompt = agent.first_message = f"{mark} prompt"
    agent.save()
    provider = make_phone_provider(node=phone, registered=account)
    provider.twilio_sid, provider.twilio_token = f"AC{mark}", f"twilio_{mark}"
    provider.save()
    PhoneProvider.objects.create(
        node=trunk,
        provider=Carrier.SIP,
        sip_server=f"{mark.lower()}.example.org",
        sip_user=mark,
        sip_password=f"sip_{mark}",
        sip_phone="+15550100101",
    )
    ari = {"id": "ari_main", "kind": "ari", "url": "http://pbx.test:8088", "app": mark, "password": f"ari_{mark}"}
    TelephonySettings.objects.create(workspace=workspace, settings_json={"providers": [ari], "sip_user": mark})
    endpoint = WebhookEndpoint.objects.create(account=account, secret=f"wsec_{mark}")
    run = make_run(
        workspace=workspace, node=pbx, agent=agent, phone_provider=provider, key=key, name=f"{mark} campaign",
        status=RunStatus.PAUSED, numbers=("+15550100123", "+15550100124"),
    )  # fmt: skip
    Chunk.objects.create(
        run=run, api_key=key, size=1, status=ChunkStatus.DONE, submitted_at=timezone.now(), finished_at=timezone.now()
    )
    call = make_call(
        workspace=workspace, run=run, pbx=pbx, phone=phone, agent=agent_node, account=account, has_audio=True,
        conversation_id=f"conv_{mark}", summary=f"{mark} summary", reason=mark,
        transcript=json.dumps([{"role": "user", "message": f"{mark} said", "time_in_call_secs": 1}]),
    )  # fmt: skip
    web_call = make_call(
        workspace=workspace, agent=agent_node, account=account, has_audio=True, direction=Direction.WEB
    )
    with transaction.atomic():
        numbers, at = take_numbers(2)
        for about in ({"call": call, "run": run}, {"run": run}):
            CallEvent.objects.create(
                id=next(numbers), workspace=workspace, type="x", data={"mark": mark}, at=at, **about
            )
    for each in (call, web_call):
        default_storage.save(recording_name(each), ContentFile(f"{mark} recording".encode()))
    token, text = issue_token(user=owner, name=f"{mark} token")
    ids = {
        "workspace_id": str(workspace.pk),
        "user_id": str(member.pk),
        "key_id": str(spare.pk),
        "call_id": call.call_id,
        "web_call_id": web_call.call_id,
        "run_id": run.call_id,
        "public_id": token.public_id,
        "endpoint_id": endpoint.public_id,
        "node_id": pbx.node_id,
        "agent_node_id": agent_node.node_id,
        "phone_node_id": phone.node_id,
        "trunk_node_id": trunk.node_id,
        "spare_node_id": "spare",
    }
    return World(
        workspace=workspace,
        mark=mark,
        ids=ids,
        call=call,
        run=run,
        key=key,
        provider=provider,
        endpoint=endpoint,
        secrets=[
            *(f"sk_{mark}", f"AC{mark}", f"twilio_{mark}", f"sip_{mark}", f"ari_{mark}", f"wsec_{mark}"),
            *(text, token.digest, owner.password, "correct horse"),
        ],
    )
