"""The sweep: finds every row whose time has come, so that a lost bell costs seconds and nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

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
        runs = list(_due(Run, now))
        Run.objects.filter(pk__in=runs).update(next_at=now + AGAIN)
        ring_runs(runs)
        endpoints = set(
            WebhookReceipt.objects.filter(next_at__lte=now).values_list("endpoint_id", flat=True).distinct()[:MOST]
        )
        ring_endpoints(endpoints)
        chunks = list(_due(Chunk, now))
        ring_chunks(chunks)
        accounts = list(
            Account.objects.filter(next_look_at__lte=now, voice_stack=VoiceStack.ELEVENLABS)
            .order_by("next_look_at")
            .values_list("pk", flat=True)[:MOST]
        )
        ring_accounts(accounts)
        reach(Point.SWEPT)
    return len(runs) + len(chunks) + len(endpoints) + len(accounts)


def _due(model: type[Run] | type[Chunk], now: datetime) -> list[int]:
    rows = model._default_manager.select_for_update(skip_locked=True, no_key=True).filter(next_at__lte=now)
    return list(rows.order_by("next_at").values_list("pk", flat=True)[:MOST])
