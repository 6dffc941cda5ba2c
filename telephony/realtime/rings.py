"""Rings for whoever watches: published once the change has committed, and worth nothing else."""

from __future__ import annotations

from functools import partial

import structlog
from django.db import transaction
from redis import RedisError

from aispinner.core import broker

log = structlog.get_logger(__name__)

JOURNAL = "journal"  # a workspace's calls, campaigns and events; the ring says the workspace
ACCESS = "access"  # what a person may see; the ring says the user


def tell(workspace_id: int) -> None:
    """Have those who watch the workspace look, after the commit. A lost ring costs them until their next look."""
    _ring(JOURNAL, workspace_id)


def tell_access(user_id: int) -> None:
    """Have what is open for this user look again whether it may be, after the commit."""
    _ring(ACCESS, user_id)


def _ring(channel: str, number: int) -> None:
    transaction.on_commit(partial(_publish, channel, number), robust=True)


def _publish(channel: str, number: int) -> None:
    try:
        broker.client().publish(broker.key(channel), number)
    except RedisError:
        log.warning("ring_not_published", channel=channel, number=number)
