"""A workspace's changes, read once in this process for all who follow it, and encoded once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Protocol

import structlog

from aispinner.core.failures import AWAY
from telephony.journal.delta import read_mark
from telephony.realtime.changes import Changes, Message, read_changes
from telephony.realtime.hub import hub
from telephony.realtime.outbox import Parcel
from telephony.realtime.rows import read

log = structlog.get_logger(__name__)

AT_ONCE = 500  # calls, campaigns and events each
PAUSE = 0.01  # seconds from look to look: rings that come meanwhile are answered by one
REST = 0.002  # seconds that others have the database between two looks, however long they take
LOOK = 5.0  # seconds after which it looks without a ring, as one may be lost
TRY_AGAIN = 1.0  # seconds after the database was away


class Batch:
    """Changes on their way to everybody who follows; each address of the server has its own wording, made once."""

    def __init__(self, changes: Changes) -> None:
        self.after, self.cursor = changes.after, changes.cursor
        self._changes = changes
        self._worded: dict[str, tuple[list[Message], Parcel]] = {}

    def parcel(self, *, root: str, after: int) -> Parcel:
        """What is newer than `after`, for clients that reached us at `root`."""
        if root not in self._worded:
            messages = self._changes.messages(root=root)
            self._worded[root] = messages, Parcel(message.text for message in messages)
        messages, parcel = self._worded[root]
        return parcel if after <= self.after else Parcel(each.text for each in messages if each.version > after)


class Follower(Protocol):
    """Whoever is told."""

    def take(self, batch: Batch) -> None:
        """Called in the loop, in order, with everything after the place where it began to follow."""


class Feed:
    """Up to `cursor`, everything of the workspace was read and given to the followers."""

    def __init__(self, workspace_id: int) -> None:
        self.workspace_id = workspace_id
        self.followers: set[Follower] = set()
        self.users = 0
        self.cursor = 0
        self._begun = asyncio.Event()
        self._work = asyncio.create_task(self._follow())

    async def ready(self) -> None:
        """Return once the cursor says something."""
        await self._begun.wait()

    def close(self) -> None:
        """Read no more."""
        self._work.cancel()

    async def _follow(self) -> None:
        async with hub.watching(self.workspace_id) as flag:
            while True:
                looked = time.monotonic()
                try:
                    more = await self._look()
                except AWAY as error:
                    log.warning("feed_waits", workspace_id=self.workspace_id, error=type(error).__name__)
                    await asyncio.sleep(TRY_AGAIN)
                    continue
                if not more:
                    await asyncio.sleep(max(REST, looked + PAUSE - time.monotonic()))
                    with suppress(TimeoutError):
                        async with asyncio.timeout(LOOK):
                            await flag.wait()
                    flag.clear()

    async def _look(self) -> bool:
        if not self._begun.is_set():
            self.cursor = await read(read_mark)
            self._begun.set()
            return False
        reading = partial(read_changes, workspace_id=self.workspace_id, after=self.cursor, limit=AT_ONCE)
        changes = await read(reading)
        self.cursor = changes.cursor
        if changes.cursor > changes.after:
            batch = Batch(changes)
            for follower in tuple(self.followers):
                follower.take(batch)
        return changes.more


_feeds: dict[int, Feed] = {}


@asynccontextmanager
async def feed_of(workspace_id: int) -> AsyncIterator[Feed]:
    """The one feed of the workspace in this process, for as long as somebody uses it."""
    feed = _feeds.get(workspace_id)
    if feed is None:
        feed = _feeds[workspace_id] = Feed(workspace_id)
    feed.users += 1
    try:
        await feed.ready()
        yield feed
    finally:
        feed.users -= 1
        if not feed.users:
            del _feeds[workspace_id]
            feed.close()
