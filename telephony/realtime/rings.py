"""Rings for whoever watches a workspace: published once the change has committed, and worth nothing else."""

from __future__ import annotations

from functools import partial

import structlog
from django.db import transaction
from redis import RedisError

from aispinner.core import broker

log = structlog.get_logger(__name__)

CHANNEL = "journal"


def tell(workspace_id: int) -> None:
    """Have those who watch the workspace look, after the commit. A lost ring costs them until their next look."""
    transaction.on_commit(partial(_publish, workspace_id), robust=True)


def _publish(workspace_id: int) -> None:
    try:
        broker.client().publish(broker.key(CHANNEL), workspace_id)
    except RedisError:
        log.warning("ring_not_published", workspace_id=workspace_id)
