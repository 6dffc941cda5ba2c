"""The bell of the PBXs' holders: rung when rows were handed over or calls are to be ended, worth nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import structlog
from django.conf import settings
from django.db import transaction
from redis import RedisError
from redis.asyncio import Redis

from aispinner.core import broker

CHANNEL = "lines"
AGAIN = 1.0  # seconds until the next try to subscribe

log = structlog.get_logger(__name__)


def ring(account_id: int) -> None:
    """Have the PBX's holder look, after the commit."""
    transaction.on_commit(partial(_publish, account_id), robust=True)


def _publish(account_id: int) -> None:
    try:
        broker.client().publish(broker.key(CHANNEL), account_id)
    except RedisError:
        log.warning("lines_not_rung", account_id=account_id)  # the holder looks every second anyway


async def listen(rung: Callable[[int], None]) -> None:
    """Call `rung` with the account's id at every ring, for ever."""
    while True:
        with suppress(RedisError, OSError):
            async with (
                Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, health_check_interval=15) as client,
                client.pubsub(ignore_subscribe_messages=True) as subscription,
            ):
                await subscription.subscribe(broker.key(CHANNEL))
                async for message in subscription.listen():
                    rung(int(message["data"]))
        await asyncio.sleep(AGAIN)
