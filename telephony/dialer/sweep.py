"""The sweep: finds every row whose time has come, so that a lost bell costs seconds and nothing else."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Min

from aispinner.core import metrics
from aispinner.core.crash_points import Point, reach
from integrations.calls import VoiceStack
from integrations.models import Account, WebhookReceipt
from telephony.dialer.bell import ring_accounts, ring_chunks, ring_endpoints, ring_runs
from telephony.models import Chunk, Run

MOST = 500  # rows of a kind in one sweep
AGAIN = timedelta(seconds=5)  # a row that was rung for is not rung for again before


def sweep(*, now: datetime) -> int:
    """Ring for runs, chunks and accounts that are due, and for endpoints with due receipts; returns how many.

    Two sweeps at once share the rows.
    """
    with transaction.atomic():
        began = _first_due(now)
        runs = _due(Run, now)
        Run.objects.filter(pk__in=runs).update(next_at=now + AGAIN)
        ring_runs(runs)
        endpoints = set(
            WebhookReceipt.objects.filter(next_at__lte=now).values_list("endpoint_id", flat=True).distinct()[:MOST]
        )
        ring_endpoints(endpoints)
        chunks = _due(Chunk, now)
        ring_chunks(chunks)
        accounts = list(
            Account.objects.filter(next_look_at__lte=now, voice_stack=VoiceStack.ELEVENLABS)
            .order_by("next_look_at")
            .values_list("pk", flat=True)[:MOST]
        )
        ring_accounts(accounts)
        reach(Point.SWEPT)
    metrics.note("sweep_lag_seconds", (now - began).total_seconds())
    metrics.note("swept_at", time.time())
    return len(runs) + len(chunks) + len(endpoints) + len(accounts)


def _first_due(now: datetime) -> datetime:
    """Since when the row that waits longest is due; `now` where none is."""
    firsts: list[datetime | None] = [
        model._default_manager.aggregate(at=Min("next_at"))["at"] for model in (Run, Chunk, WebhookReceipt)
    ]
    return min([now, *(at for at in firsts if at is not None)])


def _due(model: type[Run] | type[Chunk], now: datetime) -> list[int]:
    rows = model._default_manager.select_for_update(skip_locked=True, no_key=True).filter(next_at__lte=now)
    return list(rows.order_by("next_at").values_list("pk", flat=True)[:MOST])
