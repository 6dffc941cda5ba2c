"""The floor's own tasks: signs of life, and forgetting what is kept for a while only."""

from __future__ import annotations

from celery import shared_task

from aispinner.core.heartbeat import leave
from aispinner.core.idempotency import forget_old_keys


@shared_task
def heartbeat() -> None:
    """Beat rang, a worker answers: both are alive."""
    leave("worker")


@shared_task
def forget() -> None:
    """Delete what has been kept for long enough."""
    forget_old_keys()
