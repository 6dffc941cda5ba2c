"""Time that passes at once: everything the rows remember moves into the past, everything they plan comes nearer."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models import F
from django.utils import timezone

from integrations.models import Account, WebhookReceipt
from telephony.dialer.claims import submit_timeout
from telephony.models import Call, Chunk, ChunkStatus, Run

_REMEMBERED: tuple[tuple[type[models.Model], tuple[str, ...]], ...] = (
    (Account, ("learned_until", "exhausted_at")),
    (Run, ("created_at", "next_at", "next_attempt_at")),
    (Chunk, ("submitted_at", "first_look_at", "cancelled_at", "retry_at", "next_at")),
    (Call, ("dispatched_at", "answered_at", "ended_at", "settled_at")),
    (WebhookReceipt, ("received_at", "next_at")),
)


def later(**units: float) -> None:
    """As if so much time had passed: `later(minutes=2)`."""
    for model, fields in _REMEMBERED:
        model._default_manager.update(**{field: F(field) - timedelta(**units) for field in fields})


def later_than_any_request() -> None:
    """As if so much time had passed that what was on the wire has arrived, or never will: lookups count from here."""
    later(seconds=2 * submit_timeout().total_seconds() + 1)


def now_due() -> None:
    """The sweep finds every run, and every chunk that is being dialled: asked about as often as a test likes."""
    now = timezone.now()
    Run.objects.filter(next_at__isnull=False).update(next_at=now)
    Chunk.objects.filter(status=ChunkStatus.DIALING, next_at__isnull=False).update(next_at=now)
    WebhookReceipt.objects.filter(next_at__isnull=False).update(next_at=now)


def one_more_minute() -> None:
    """And a second, for what is due then."""
    later(seconds=61)
