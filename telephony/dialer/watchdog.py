"""The watchdog: rows that nobody would look at again. There are none, by all we know; each is counted and looked after.

What is merely late is the sweep's: a row that is due stays due until somebody has looked.
"""

from __future__ import annotations

from datetime import datetime

import structlog
from django.db.models import Q

from aispinner.core import metrics
from telephony.dialer.records import LOST_SIGHT, take_in
from telephony.models import Call, Chunk, ChunkStatus, Run, RunStatus

log = structlog.get_logger(__name__)

CLOSED = (ChunkStatus.DONE, ChunkStatus.DISSOLVED)


def watch(*, now: datetime) -> int:
    """Have what was forgotten looked at, end calls that no chunk looks after; returns how many rows it found."""
    active = Q(status__in=[RunStatus.RUNNING, RunStatus.PAUSING]) | Q(status=RunStatus.CANCELLED, finished_at=None)
    runs = Run.objects.filter(active, next_at=None, finished_at=None).update(next_at=now)
    chunks = Chunk.objects.filter(finished_at=None, next_at=None).exclude(status=ChunkStatus.RATE_LIMITED)
    forgotten = chunks.update(next_at=now)
    orphans = list(
        Call.objects.filter(Q(chunk=None) | Q(chunk__status__in=CLOSED), run__isnull=False, ended_at=None)
        .order_by("pk")
        .values_list("pk", flat=True)[:500]
    )
    take_in(dict.fromkeys(orphans, LOST_SIGHT), now=now)
    found = {"run_forgotten": runs, "chunk_forgotten": forgotten, "call_without_chunk": len(orphans)}
    if any(found.values()):
        log.error("watchdog_found", **found)
    metrics.count_all({metrics.name("watchdog", what=what): many for what, many in found.items()})
    return sum(found.values())
