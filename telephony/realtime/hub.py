"""One subscription to the broker for all who watch in this process; each of them has a flag that a ring raises."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog
from django.conf import settings
from redis.asyncio import Redis
from redis.exceptions import RedisError

from aispinner.core import broker
from telephony.realtime.rings import ACCESS, JOURNAL

log = structlog.get_logger(__name__)

RECONNECT = 1.0  # seconds


class Hub:
    """Watchers by what they watch. After a lost connection every flag is raised: what was missed is in the rows."""

    def __init__(self) -> None:
        self._flags: dict[tuple[str, int], set[asyncio.Event]] = defaultdict(set)
        self._listening: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def watching(self, number: int, *, channel: str = JOURNAL) -> AsyncIterator[asyncio.Event]:
        """A flag that is raised whenever something of a workspace's journal has changed; who watches lowers it.

        Of the channel ACCESS: whenever what a user may see may have changed.
        """
        flag = asyncio.Event()
        self._flags[channel, number].add(flag)
        if self._listening is None or self._listening.done():
            self._listening = asyncio.create_task(self._listen())
        try:
            yield flag
        finally:
            self._flags[channel, number].discard(flag)
            if not self._flags[channel, number]:
                del self._flags[channel, number]
            if not self._flags and self._listening is not None:
                self._listening.cancel()
                self._listening = None

    async def _listen(self) -> None:
        while True:
            with suppress(RedisError, OSError):
                await self._subscribe()
            log.warning("subscription_lost")
            self._raise_all()
            await asyncio.sleep(RECONNECT)

    async def _subscribe(self) -> None:
        channels = {broker.key(name).encode(): name for name in (JOURNAL, ACCESS)}
        async with (
            Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, health_check_interval=15) as client,
            client.pubsub(ignore_subscribe_messages=True) as subscription,
        ):
            await subscription.subscribe(*channels)
            self._raise_all()  # whatever happened before we heard
            async for message in subscription.listen():
                for flag in self._flags.get((channels[message["channel"]], int(message["data"])), ()):
                    flag.set()

    def _raise_all(self) -> None:
        for flags in self._flags.values():
            for flag in flags:
                flag.set()


hub = Hub()
