"""Where providers post their events: signature checked, stored once, answered fast; applied afterwards."""

from __future__ import annotations

from functools import partial
from hashlib import sha256
from typing import Any, NamedTuple

import orjson
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from aispinner.core.crash_points import Point, reach
from aispinner.core.prepared import prepared
from aispinner.core.recent import Recent
from integrations.elevenlabs.signature import verify
from integrations.models import ReceiptStatus, WebhookEndpoint
from telephony.dialer.bell import announce

_STORE = """
INSERT INTO integrations_webhookreceipt
       (endpoint_id, event_key, kind, conversation_id, body, status, received_at, next_at, attempts)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 0)
ON CONFLICT (endpoint_id, event_key) DO NOTHING
"""
SIGNATURE_HEADER = "HTTP_ELEVENLABS_SIGNATURE"


class Endpoint(NamedTuple):
    """What has to be known of an endpoint to take an event in."""

    pk: int
    secret: str


_recent: Recent[Endpoint] = Recent(WebhookEndpoint)  # events come in bursts


@csrf_exempt
@require_POST
def elevenlabs(request: HttpRequest, public_id: str) -> HttpResponse:
    """200 once the event is stored, and for one that was stored before; 401 for what ElevenLabs did not sign."""
    endpoint = _recent.recall(public_id)
    if endpoint is None or not _signed(request, endpoint):  # its secret may have changed this moment
        endpoint = _look_up(public_id)
    if endpoint is None:
        return _no_endpoint()
    if not _signed(request, endpoint):
        return _refusal(401, "The signature does not fit this body, or is too old.")
    event = _event(request.body)
    if event is None:
        return _refusal(400, "The body is not an event: a JSON object with `type` and `data`.")
    try:
        new = _store(endpoint.pk, request.body, *event)
    except IntegrityError:  # deleted this moment
        return _no_endpoint()
    if new:
        transaction.on_commit(partial(reach, Point.WEBHOOK_STORED))
        announce(endpoint.pk)
    return JsonResponse({"status": "stored"})


def _look_up(public_id: str) -> Endpoint | None:
    look = _recent.look()
    row = WebhookEndpoint.objects.filter(public_id=public_id).values_list("pk", "secret").first()
    if row is None:
        return None
    endpoint = Endpoint(*row)
    _recent.remember(public_id, endpoint, look)
    return endpoint


def _signed(request: HttpRequest, endpoint: Endpoint) -> bool:
    header = request.META.get(SIGNATURE_HEADER, "")
    return bool(endpoint.secret) and verify(request.body, header, endpoint.secret, now=timezone.now())


def _store(endpoint_id: int, body: bytes, kind: str, conversation_id: str) -> bool:
    """Whether the event is new here. One statement, which is a transaction of its own: others are never waited for."""
    now = timezone.now()
    columns = (endpoint_id, sha256(body).hexdigest(), kind, conversation_id, body.decode(), ReceiptStatus.NEW, now, now)
    with prepared() as cursor:
        cursor.execute(_STORE, columns)
        return bool(cursor.rowcount)


def _event(body: bytes) -> tuple[str, str] | None:
    """Kind and conversation id of an event, or None where it is none that can be stored."""
    try:
        event: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    kind = event.get("type") if isinstance(event, dict) else None
    data = event.get("data") if isinstance(event, dict) else None
    if not isinstance(kind, str) or not isinstance(data, dict) or b"\x00" in body:
        return None
    conversation_id = data.get("conversation_id")
    clean = isinstance(conversation_id, str) and conversation_id.isprintable() and len(conversation_id) <= 100
    return (kind[:50].replace("\x00", ""), str(conversation_id) if clean else "")


def _no_endpoint() -> HttpResponse:
    return _refusal(404, "There is no webhook at this address.")


def _refusal(status: int, detail: str) -> HttpResponse:
    return JsonResponse({"detail": detail}, status=status)
