"""The connection to Valkey (or Redis) for what is not a task: heartbeats and other things that may be lost."""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings
from redis import Redis


@lru_cache(maxsize=1)
def client() -> Redis:
    """The shared, pooled client. Short time-outs: nothing here is worth waiting for."""
    return Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2, decode_responses=True)


def key(name: str) -> str:
    """`name` under this installation's prefix."""
    return f"{settings.REDIS_PREFIX}{name}"
