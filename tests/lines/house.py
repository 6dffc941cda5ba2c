"""A PBX, a bridge, a holder in a thread, and a workspace that dials through them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from django.db import connection
from django.utils import timezone

from aispinner.core.models import Node, NodeType, Workspace
from integrations.calls import VoiceStack
from integrations.models import Account
from telephony.line_up import line_up
from telephony.models import Call, Pacing, PbxLink, Run, TelephonySettings
from telephony.voice.lines.holder import Holders
from telephony.voice.lines.providers import account_of, provider_of
from tests.dialer.provider import numbers
from tests.dialer.threads import eventually
from tests.factories import make_agent, make_key, make_node, make_run, make_workspace
from tests.lines.bridge import ScriptedBridge

Json = dict[str, Any]
PROVIDER: Json = {
    "id": "ari_main",
    "kind": "ari",
    "username": "aispinner",
    "password": "aispinner",
    "app": "aispinner",
    "endpoint": "PJSIP/{number}@trunk",
    "caller_id": "+15550100000",
    "calls_per_second": 200,
    "max_concurrent": 50,
}


@dataclass
class House:
    """The simulated PBX's control API, and our side of it."""

    url: str
    http: httpx.Client
    bridge: ScriptedBridge

    # --- What tests order of the PBX -------------------------------------------------------------

    def script(self, called: list[str], **orders: Any) -> None:
        """How calls to these numbers go; `*` stands for all others."""
        self.control("script", dict.fromkeys(called, orders))

    def control(self, path: str, body: Any = None) -> Json:
        answer = self.http.post(f"/_sim/{path}", json=body or {})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def fault(self, fault: str, **more: Any) -> None:
        self.control("faults", {"rules": [{"fault": fault, **more}]})

    def state(self) -> Json:
        return dict(self.http.get("/_sim/state").json())

    def placed(self) -> list[Json]:
        """One entry per INVITE that left."""
        return list(self.http.get("/_sim/ledger").json()["entries"])

    def dialled(self) -> list[str]:
        """The numbers, sorted; one that was dialled twice is there twice."""
        return sorted(entry["number"] for entry in self.placed())

    # --- Our side --------------------------------------------------------------------------------

    def workspace(self, **provider: Any) -> Workspace:
        """A workspace whose default provider is the PBX."""
        workspace = make_workspace()
        listed = [{**PROVIDER, "url": self.url, **provider}]
        stored = {"default_provider_id": "ari_main", "providers": listed}
        TelephonySettings.objects.create(workspace=workspace, settings_json=stored)
        return workspace

    def campaign(self, called: list[str] | None = None, *, workspace: Workspace | None = None, **fields: Any) -> Run:
        """A running campaign over `called` (else 3 numbers) that nobody has looked at yet."""
        workspace = workspace or self.workspace()
        key = make_key(workspace=workspace)
        agent = make_agent(node=make_node(workspace=workspace, type=NodeType.AGENT), account=key.account)
        node: Node = make_node(workspace=workspace, connected_to=[agent.node])
        lines = line_up(workspace=workspace, node=node, agent_node_id=None)
        assert lines.voice_stack == VoiceStack.CUSTOM_VOICE
        run = make_run(
            workspace=workspace, node=node, agent=agent, key=key, numbers=called or numbers(3),
            **{"started_at": None, "next_at": timezone.now(), "pacing": Pacing.CONTINUOUS, **fields},
        )  # fmt: skip
        changes = {"voice_stack": lines.voice_stack, "account": lines.account, "provider_id": lines.provider_id}
        Run.objects.filter(pk=run.pk).update(phone_provider=None, **changes)
        run.refresh_from_db()
        return run


def account(workspace: Workspace) -> Account:
    """The account of the workspace's PBX."""
    provider = provider_of(workspace_id=workspace.pk, provider_id="ari_main")
    assert provider is not None
    return account_of(provider)


@contextmanager
def holding() -> Iterator[None]:
    """A process that holds every PBX in the settings, as a thread; ended as by SIGTERM."""
    loop = asyncio.new_event_loop()
    work: asyncio.Task[None] | None = None

    def run() -> None:
        nonlocal work
        work = loop.create_task(Holders().run())
        loop.run_until_complete(asyncio.wait([work]))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        if work is not None:
            loop.call_soon_threadsafe(work.cancel)
        thread.join(10)
        connection.close()


def is_up() -> bool:
    """Whether every PBX that is in use is held."""
    return PbxLink.objects.exclude(session="").exists()


def until_up() -> None:
    eventually(is_up)


def outcomes(run: Run) -> Mapping[str, int]:
    """How the calls ended."""
    return Counter(Call.objects.filter(run=run).values_list("outcome", flat=True))


def wait_for(holds: Any, *, within: float = 20.0) -> None:
    """Return as soon as it does."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)  # the PBX's calls take their time
