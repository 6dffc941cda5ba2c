"""`/ws/events`: workspaces' journals as they happen, resumable without a gap (docs/live-events.md).

A socket is a few tasks: one hears the client, one looks after the right to be here and the heartbeat, and one for
each workspace brings the client up to date and then lets the workspace's feed tell it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import structlog
from channels.generic.websocket import AsyncWebsocketConsumer
from django.utils import timezone

from aispinner.core.access import LARGEST_ID
from aispinner.core.errors import Problem
from aispinner.core.failures import AWAY
from aispinner.core.logs import where
from aispinner.core.rendering import dump_json, load_json
from aispinner.core.tickets import holder_of
from telephony.api.reading import Body
from telephony.journal.delta import read_mark
from telephony.realtime.changes import read_changes
from telephony.realtime.door import BEARER, Close, EndedError, Visit, visit_of, workspaces_of
from telephony.realtime.feed import AT_ONCE, TRY_AGAIN, Batch, Feed, feed_of
from telephony.realtime.hub import hub
from telephony.realtime.outbox import Outbox, Parcel
from telephony.realtime.rings import ACCESS
from telephony.realtime.rows import read

log = structlog.get_logger(__name__)
R = TypeVar("R")

HEARTBEAT = 20.0  # seconds
FAREWELL = 2.0  # seconds for a client to take the reason why it ends
LONGEST_MESSAGE = 4096  # characters
MESSAGES = 120  # that a client may send between two heartbeats
WORKSPACES = 50  # that a socket may follow
OF_ONE_USER, OF_A_PROCESS = 200, 3000  # sockets at once
KNOWN = ("type", "workspace_id", "since_version", "batch")
_open: Counter[int] = Counter()  # by user


class Place:
    """How far a socket has got in a workspace; a feed's follower once it is up to date."""

    def __init__(self, outbox: Outbox, *, root: str, cursor: int) -> None:
        self._outbox = outbox
        self._root = root
        self.cursor = cursor

    def take(self, batch: Batch) -> None:
        """What of the batch is newer than what was sent."""
        if batch.cursor > self.cursor:
            self._outbox.put(batch.parcel(root=self._root, after=self.cursor))
            self.cursor = batch.cursor


class EventConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # channels brings no types
    """One socket."""

    def __init__(self) -> None:
        super().__init__()
        self._outbox = Outbox(self._hand_over, when_slow=self._too_slow)
        self._places: dict[int, Place] = {}
        self._following: dict[int, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending: asyncio.Future[EndedError] = asyncio.get_running_loop().create_future()
        self._visit: Visit | None = None
        self._heard = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve the socket until the client, the server or a reason ends it."""
        hearing = asyncio.ensure_future(super().__call__(scope, receive, send))
        try:
            await asyncio.wait((hearing, self._ending), return_when=asyncio.FIRST_COMPLETED)
            if hearing.done():
                hearing.result()
            else:
                await self._say_farewell(self._ending.result())
        finally:
            for task in (hearing, *self._tasks):
                task.cancel()
            self._outbox.close()
            self._ending.cancel()
            if self._visit is not None:
                _leave(self._visit.holder.user.pk)

    async def connect(self) -> None:
        """Let the client in. One that is refused is let in as well, to be told why: browsers hide anything else."""
        refused: EndedError | None = None
        try:
            visit = await read(partial(visit_of, self.scope))
            _enter(visit.holder.user.pk)
            self._visit = visit
        except EndedError as ended:
            refused = ended
        except AWAY:
            refused = EndedError(Close.TRY_LATER, "The database or the broker is away. Try again in a moment.")
        await self.accept(subprotocol=BEARER if BEARER in (self.scope.get("subprotocols") or ()) else None)
        if refused is not None:
            self._end(refused)
        elif self._visit is not None:
            self._start(self._watch_access(self._visit))

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Do what the client asks; what cannot be done is answered with an `error`."""
        if self._visit is None or self._ending.done():
            return
        self._heard += 1
        if self._heard > MESSAGES:
            self._end(EndedError(Close.TOO_MANY, f"More than {MESSAGES} messages in {HEARTBEAT:.0f} seconds."))
        elif text_data is not None and len(text_data) > LONGEST_MESSAGE:
            self._end(EndedError(Close.TOO_LARGE, f"A message takes at most {LONGEST_MESSAGE} characters."))
        else:
            try:
                self._obey(self._visit, text_data)
            except Problem as problem:
                self._say("error", detail=problem.sentence, errors=problem.errors)

    async def disconnect(self, code: int) -> None:
        """The client is gone, or the server is about to be."""
        if code == Close.RESTART:
            await self._say_farewell(EndedError(Close.RESTART, "The server is restarting. Come back in a moment."))

    def _obey(self, visit: Visit, text: str | None) -> None:
        body = Body(load_json((text or "").encode("utf-8", "replace")), known=KNOWN)
        kind = body.choice("type", ("subscribe", "unsubscribe", "ping"), default="")
        if not kind:
            body.blame("type", "Takes one of subscribe, unsubscribe, ping.")
        workspace_id = body.whole("workspace_id", low=1, high=LARGEST_ID, default=0)
        if kind != "ping" and not workspace_id:
            body.blame("workspace_id", "Takes the id of a workspace, as in GET /workspaces.")
        since = body.whole("since_version", low=0, high=LARGEST_ID, default=-1)
        shares_frames = body.flag("batch")
        body.check()
        if kind == "ping":
            self._say("pong", at=timezone.now())
        elif kind == "unsubscribe":
            self._leave_workspace(workspace_id, "You asked for it.")
        else:
            if len(self._following) >= WORKSPACES and workspace_id not in self._following:
                raise Problem(f"A socket follows at most {WORKSPACES} workspaces. Open another one.")
            self._stop_following(workspace_id)
            self._outbox.shares_frames = shares_frames
            following = self._follow(visit, workspace_id, since=None if since < 0 else since)
            self._following[workspace_id] = self._start(following)

    async def _follow(self, visit: Visit, workspace_id: int, *, since: int | None) -> None:
        if not await _patiently(partial(workspaces_of, visit.holder, [workspace_id])):
            self._shut_out(workspace_id)
            return
        async with feed_of(workspace_id) as feed:
            if since is not None and since > feed.cursor and since > await _patiently(read_mark):
                self._refuse(workspace_id, "since_version is ahead of this server. Read the journal, then subscribe.")
                return
            begun = feed.cursor if since is None else since
            place = self._places[workspace_id] = Place(self._outbox, root=visit.root, cursor=begun)
            self._say("subscribed", workspace_id=workspace_id, version=max(feed.cursor, begun))
            await self._catch_up(place, feed, root=visit.root)
            feed.followers.add(place)
            try:
                await asyncio.Event().wait()
            finally:
                feed.followers.discard(place)

    async def _catch_up(self, place: Place, feed: Feed, *, root: str) -> None:
        """Read until the place is not behind the feed; as fast as the client takes it, and no faster."""
        since = place.cursor
        while place.cursor < feed.cursor:
            reading = partial(read_changes, workspace_id=feed.workspace_id, after=place.cursor, limit=AT_ONCE)
            changes = await _patiently(reading)
            self._outbox.put(Parcel(message.text for message in changes.messages(root=root, since=since)))
            place.cursor = changes.cursor
            if changes.more:
                await self._outbox.room()

    async def _watch_access(self, visit: Visit) -> None:
        async with hub.watching(visit.holder.user.pk, channel=ACCESS) as flag:
            holder, rung = visit.holder, True  # it may have changed before we watched
            while True:
                with suppress(*AWAY):
                    found = await read(partial(holder_of, visit.given))
                    if found is None:
                        raise EndedError(Close.UNAUTHENTICATED, "The token or login was revoked or has expired.")
                    holder = found
                    asked = set(self._following)
                    for workspace_id in asked - await read(partial(workspaces_of, holder, asked)):
                        self._shut_out(workspace_id)
                if not rung:
                    self._beat()
                left = (holder.until - timezone.now()).total_seconds() if holder.until else HEARTBEAT
                rung = await _raised(flag, within=max(0.0, min(HEARTBEAT, left)))

    def _beat(self) -> None:
        self._heard = 0
        versions = {str(workspace_id): place.cursor for workspace_id, place in self._places.items()}
        self._say("heartbeat", at=timezone.now(), versions=versions)

    def _hand_over(self, message: Mapping[str, Any]) -> Awaitable[None]:
        handed: Awaitable[None] = self.base_send(message)  # straight to the server: channels' way is a few calls longer
        return handed

    def _leave_workspace(self, workspace_id: int, reason: str) -> None:
        self._stop_following(workspace_id)
        self._say("unsubscribed", workspace_id=workspace_id, reason=reason)

    def _shut_out(self, workspace_id: int) -> None:
        if workspace_id in self._places:
            self._leave_workspace(workspace_id, "You are no longer a member of this workspace.")
        else:
            self._refuse(workspace_id, "Workspace not found. GET /workspaces lists yours.")

    def _stop_following(self, workspace_id: int) -> None:
        following = self._following.pop(workspace_id, None)
        self._places.pop(workspace_id, None)
        if following is not None:
            following.cancel()

    def _refuse(self, workspace_id: int, sentence: str) -> None:
        self._stop_following(workspace_id)
        self._say("error", detail=sentence, workspace_id=workspace_id)

    def _say(self, kind: str, **body: Any) -> None:
        told = {name: value for name, value in body.items() if value != {}}
        self._outbox.put(Parcel([dump_json({"type": kind, **told}).decode()]))

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, EndedError):
            self._end(error)
        elif error is not None:
            log.error("socket_crashed", error=type(error).__name__, where=where(error))
            self._end(EndedError(Close.FAULT, "Something went wrong on our side."))

    def _too_slow(self) -> None:
        self._end(EndedError(Close.SLOW, "You read more slowly than things happen. Resume with since_version."))

    def _end(self, why: EndedError) -> None:
        if not self._ending.done():
            self._ending.set_result(why)

    async def _say_farewell(self, why: EndedError) -> None:
        """Nothing more after this: the reason as a message and in the closing frame."""
        for task in tuple(self._tasks):
            task.cancel()
        self._outbox.close()
        text = dump_json({"type": "closing", "code": why.code, "reason": why.reason}).decode()
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(FAREWELL):
                await self.send(text_data=text)
                await self.close(code=why.code, reason=why.reason)


def _enter(user_id: int) -> None:
    if _open[user_id] >= OF_ONE_USER or _open.total() >= OF_A_PROCESS:
        raise EndedError(Close.TOO_MANY, "Too many sockets are open. Close some, or come back later.")
    _open[user_id] += 1


def _leave(user_id: int) -> None:
    _open[user_id] -= 1
    if not _open[user_id]:
        del _open[user_id]


async def _patiently(query: Callable[[], R]) -> R:
    """What `query` reads, as soon as the database is there."""
    while True:
        try:
            return await read(query)
        except AWAY as error:
            log.warning("socket_waits", error=type(error).__name__)
            await asyncio.sleep(TRY_AGAIN)


async def _raised(flag: asyncio.Event, *, within: float) -> bool:
    """Lower the flag when it is raised; False where it was not, for so many seconds."""
    try:
        async with asyncio.timeout(within):
            await flag.wait()
    except TimeoutError:
        return False
    flag.clear()
    return True
