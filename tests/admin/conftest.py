"""A small world to look at in the admin, with a secret planted in every place that holds one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from aispinner.core.models import NodeType, Workspace
from integrations.models import ReceiptStatus, WebhookEndpoint, WebhookReceipt
from telephony.models import Call, CallEvent, Chunk, ChunkStatus, Run, RunStatus, TelephonySettings
from tests.factories import make_account, make_agent, make_key, make_node, make_phone_provider, make_run, make_user

PLANTED = "PLANTED"
_ids = count(1000)


def make_call(*, workspace: Workspace, run: Run | None = None, **fields: Any) -> Call:
    """A call that is queued, unless `fields` say more."""
    number = next(_ids)
    call = Call.objects.create(
        id=number,
        version=number,
        workspace=workspace,
        run=run,
        created_at=timezone.now(),
        **{"subscriber_phone": "+15550100123", **fields},
    )
    CallEvent.objects.create(
        id=next(_ids),
        workspace=workspace,
        run=run,
        call=call,
        type="status",
        data={"status": call.status},
        at=timezone.now(),
    )
    return call


def make_ended_call(*, workspace: Workspace, run: Run | None = None, **fields: Any) -> Call:
    """A call that was answered, with a conversation."""
    turns = [
        {"role": "agent", "message": "Good morning.", "time_in_call_secs": 0},
        {"role": "user", "message": "Who is there?", "time_in_call_secs": 2.5},
    ]
    now = timezone.now()
    ended = {"status": "done", "outcome": "answered", "transcript": json.dumps(turns), "has_audio": True}
    return make_call(workspace=workspace, run=run, **{**ended, "ended_at": now, "settled_at": now, **fields})


@dataclass
class World:
    """One of everything in a workspace."""

    workspace: Workspace
    run: Run
    call: Call
    ids: dict[str, int]


@pytest.fixture
def world(workspace: Workspace) -> World:
    account = make_account()
    key = make_key(workspace=workspace, account=account, key=f"sk_{PLANTED}_9a2c")
    agent = make_agent(node=make_node(workspace=workspace, type=NodeType.AGENT), account=account)
    agent.tools = [{"name": "book", "api_schema": {"request_headers": {"X-Any": PLANTED}}}]
    agent.raw_config = {"custom_llm": {"api_key": PLANTED}, "note": f"Bearer {PLANTED}", "max_tokens": 400}
    agent.save()
    phone = make_phone_provider(node=make_node(workspace=workspace, type=NodeType.PHONE_NUMBER), registered=account)
    phone.twilio_sid, phone.twilio_token, phone.sip_password = f"AC{PLANTED}", PLANTED, PLANTED
    phone.save()
    ari = {"id": "ari_main", "kind": "ari", "url": f"http://ari:{PLANTED}@pbx.test:8088", "password": PLANTED}
    settings = TelephonySettings.objects.create(workspace=workspace, settings_json={"providers": [ari]})
    endpoint = WebhookEndpoint.objects.create(account=account, secret=PLANTED)
    receipt = WebhookReceipt.objects.create(
        endpoint=endpoint, event_key="1", kind="post_call_transcription", body=PLANTED, status=ReceiptStatus.APPLIED
    )
    run = make_run(workspace=workspace, key=key, agent=agent, phone_provider=phone, name="Spring survey")
    Chunk.objects.create(run=run, api_key=key, size=2, status=ChunkStatus.DIALING, submitted_at=timezone.now())
    CallEvent.objects.create(
        id=next(_ids), workspace=workspace, run=run, type="run.started", data={}, at=timezone.now()
    )
    call = make_ended_call(workspace=workspace, run=run, agent_node=agent.node, pbx_node=run.node, account=account)
    ids = {
        "integrations_elevenlabskey": key.pk,
        "integrations_account": account.pk,
        "integrations_phoneprovider": phone.pk,
        "integrations_webhookendpoint": endpoint.pk,
        "integrations_webhookreceipt": receipt.pk,
        "agents_agent": agent.pk,
        "telephony_telephonysettings": settings.pk,
        "telephony_run": run.pk,
        "telephony_call": call.pk,
    }
    return World(workspace=workspace, run=run, call=call, ids=ids)


@pytest.fixture
def superuser(db: None) -> User:
    return User.objects.create_superuser("root", password="correct horse")


@pytest.fixture
def browser_of() -> Callable[[User], Client]:
    """A browser in which the given user is logged in; they may enter the admin."""

    def make(user: User) -> Client:
        if not user.is_staff:
            user.is_staff = True
            user.save(update_fields=["is_staff"])
        client = Client()
        client.force_login(user)
        return client

    return make


@pytest.fixture
def browser(superuser: User, browser_of: Callable[[User], Client]) -> Client:
    return browser_of(superuser)


@pytest.fixture
def paused(workspace: Workspace) -> Run:
    return make_run(workspace=workspace, status=RunStatus.PAUSED, wait_reason="quota_exhausted", name="Paused one")


__all__ = ["PLANTED", "World", "make_call", "make_ended_call", "make_user"]
