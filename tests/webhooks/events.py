"""Events as ElevenLabs posts them: bodies, signatures, and the request that brings them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from integrations.elevenlabs.signature import sign
from integrations.models import WebhookEndpoint
from telephony.dialer.claims import claim
from telephony.dialer.records import record_submission
from telephony.models import Call
from tests.dialer.provider import numbers
from tests.factories import make_account, make_key, make_run, make_workspace

SECRET = "whsec_only_for_tests"


def make_endpoint(*, secret: str = SECRET) -> WebhookEndpoint:
    """Where the events of a new account arrive."""
    return WebhookEndpoint.objects.create(account=make_account(), secret=secret)


def make_calls(endpoint: WebhookEndpoint, size: int = 1) -> list[Call]:
    """Calls of the endpoint's account that are being dialled."""
    workspace = make_workspace()
    key = make_key(workspace=workspace, account=endpoint.account)
    run = make_run(workspace=workspace, key=key, numbers=numbers(size), max_concurrent=size)
    chunk = claim(run.pk, now=timezone.now())
    assert isinstance(chunk, int)
    record_submission(chunk, external_id="btcal_1", now=timezone.now())
    return list(run.calls.order_by("pk"))


def transcription(call_id: str = "", *, conversation_id: str = "conv_1", **changes: Any) -> bytes:
    """A post_call_transcription of an answered call."""
    data = {
        "agent_id": "agent_xyz",
        "conversation_id": conversation_id,
        "status": "done",
        "user_id": call_id or None,
        "transcript": [{"role": "agent", "message": "Hello, this is Ava.", "time_in_call_secs": 0}],
        "metadata": {"start_time_unix_secs": 1_795_000_000, "call_duration_secs": 42},
        "analysis": {"call_successful": "success", "transcript_summary": "They agreed."},
        "has_audio": True,
    }
    return orjson.dumps({"type": "post_call_transcription", "event_timestamp": 1_795_000_100, "data": data | changes})


def post(
    endpoint: WebhookEndpoint,
    body: bytes,
    *,
    age: timedelta = timedelta(),
    secret: str = SECRET,
    signature: str | None = None,
    content_type: str = "application/json",
) -> HttpResponse:
    """Post `body`, signed `age` ago with `secret`, unless another `signature` is given ("" for none)."""
    header = sign(body, secret, now=timezone.now() - age) if signature is None else signature
    headers = {"ElevenLabs-Signature": header} if header else {}
    path = f"/webhooks/elevenlabs/{endpoint.public_id}"
    response = Client(raise_request_exception=True).post(path, body, content_type=content_type, headers=headers)
    assert isinstance(response, HttpResponse)
    return response
