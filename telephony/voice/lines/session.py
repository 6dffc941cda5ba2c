"""One unbroken event socket to a PBX: rows are dialled over it, what Asterisk tells is written, ends are carried out.

Everything here lives in memory only as long as the socket does; the rows are what the next one goes on from.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from datetime import datetime
from typing import Any

import structlog
from django.db import Error as DatabaseError
from django.utils import timezone

from aispinner.core.ids import new_id
from integrations.asterisk.client import Ari, down
from integrations.asterisk.events import Destroyed, Event, Replaced, StasisStarted, Told
from integrations.asterisk.listener import TakenError
from integrations.asterisk.refusals import never_dialled
from integrations.errors import Answer, ProviderError, Reason
from telephony.models import Dial, DialStatus, VoiceSession
from telephony.voice.lines import rows
from telephony.voice.lines.media import NotJoinedError, join, take_down
from telephony.voice.lines.pace import Pace
from telephony.voice.lines.providers import Pbx, Provider, digest_of
from telephony.voice.lines.reconcile import OnPbx, compare, on_pbx
from telephony.voice.lines.threads import aside
from telephony.voice.lines.told import BRIDGE_LOST, MACHINE, ON_THE_PBX, end_unseen, hear, withdraw

LOOK_EVERY = 1.0  # seconds, where no bell rings
COMPARE_EVERY = 30  # looks
LOOKS_AFTER_UNKNOWN = (1.0, 5.0)  # seconds to wait before each
LAST_WORDS = 0.3  # seconds in which a bridge that closes its socket may still be writing why

log = structlog.get_logger(__name__)


class Session:
    """`run` returns when the socket is gone; LostHoldError and TakenError say that it must not come back (now)."""

    def __init__(self, *, ari: Ari, pbx: Pbx, bell: asyncio.Event) -> None:
        self.id = new_id("sock")
        self.ari, self.pbx, self.bell = ari, pbx, bell
        self._dials: dict[str, Dial] = {}
        self._heard: asyncio.Queue[Told] = asyncio.Queue()
        self._dirty: dict[str, Dial] = {}
        self._stops: dict[int, Reason] = {}
        self._changed = asyncio.Event()
        self._paces: dict[tuple[int, str], Pace] = {}
        self._joining: dict[str, asyncio.Future[None]] = {}
        self._ending: set[str] = set()
        self._missing: frozenset[str] = frozenset()
        self._tasks: set[asyncio.Task[None]] = set()

    # --- Its life --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until the socket breaks."""
        log.info("pbx_connected", account_id=self.pbx.account_id, session=self.id, version=self.ari.version.text)
        try:
            await first_to_end(self._listen(), self._work())
        finally:
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            with suppress(rows.LostHoldError, DatabaseError):
                await self._flush()
            log.info("pbx_disconnected", account_id=self.pbx.account_id, session=self.id, calls=len(self._dials))

    async def _listen(self) -> None:
        async for event in self.ari.events():
            self._heard.put_nowait(event)
            if isinstance(event, Replaced):
                raise TakenError

    async def _work(self) -> None:
        account = self.pbx.account_id
        login, version = digest_of(self.pbx.login), self.ari.version.text
        await aside(rows.link_up, account, session=self.id, login=login, version=version)
        self._dials = await aside(rows.open_dials, account)
        await self._compare(first=True)
        await first_to_end(self._hear_all(), self._dial(), self._write(), self._look_after())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(_logged(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- Dialling --------------------------------------------------------------------------------

    async def _dial(self) -> None:
        """Take rows as fast as their trunks allow."""
        loop = asyncio.get_running_loop()
        while True:
            self.bell.clear()
            now, wait = loop.time(), LOOK_EVERY
            most = {key: free for key in self.pbx.providers if (free := self._pace(key).free(now))}
            try:
                taken = await aside(rows.take, self.pbx.account_id, session=self.id, most=most)
            except DatabaseError:
                taken = []
            for each in taken:
                key = (each.workspace_id, each.dial.provider_id)
                self._pace(key).use(1, loop.time())
                wait = min(wait, self._pace(key).next_at - loop.time())
                self._dials[each.call_id] = each.dial
                self._spawn(self._originate(each, self.pbx.providers[key]))
            waiting = [pace.next_at - loop.time() for pace in self._paces.values() if pace.next_at > loop.time()]
            if taken:
                await asyncio.sleep(max(0.0, wait))
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.bell.wait(), min([LOOK_EVERY, *waiting]))

    def _pace(self, key: tuple[int, str]) -> Pace:
        pace = self._paces.setdefault(key, Pace(rate=1.0))
        pace.rate = self.pbx.providers[key].calls_per_second
        return pace

    async def _originate(self, taken: rows.Taken, provider: Provider) -> None:
        """Place the call; the row, which says so already, is moved on by what is answered and heard."""
        dial, call_id = taken.dial, taken.call_id
        body = {
            "endpoint": provider.endpoint.replace("{number}", taken.number),
            "app": self.pbx.login.app,
            "timeout": provider.ring_seconds,
            **({"callerId": provider.caller_id} if provider.caller_id else {}),
        }
        try:
            reply = await self.ari.ask("POST", f"channels/{call_id}", body=body)
        except ProviderError as error:
            if error.answer is Answer.NOT_DONE:
                self._not_dialled(call_id, dial)
            else:
                await self._look_for(call_id, dial)
            return
        if reply.status < 300 or reply.status == 409:  # 409: it is there
            self._placed(call_id, dial)
        elif (reason := never_dialled(reply)) is not None:
            log.warning("originate_refused", call_id=call_id, status=reply.status, reason=reason.value)
            self._not_dialled(call_id, dial, reason=reason)
        else:
            await self._look_for(call_id, dial)

    async def _look_for(self, call_id: str, dial: Dial) -> None:
        """Nobody can say what became of an originate: absence is proof only on this socket, up since before it."""
        for wait in LOOKS_AFTER_UNKNOWN:
            await asyncio.sleep(wait)
            try:
                reply = await self.ari.ask("GET", f"channels/{call_id}")
            except ProviderError:
                return  # the socket that comes next decides
            if dial.status != DialStatus.DIALING:
                return
            if reply.status != 404:
                self._placed(call_id, dial)
                return
        log.warning("originate_lost", call_id=call_id)
        self._not_dialled(call_id, dial, reason=Reason.PBX_DOWN)

    def _placed(self, call_id: str, dial: Dial) -> None:
        if dial.status == DialStatus.DIALING:
            dial.status = DialStatus.PLACED
            self._note(call_id, dial)

    def _not_dialled(self, call_id: str, dial: Dial, *, reason: Reason | None = None) -> None:
        """Unless the socket has told of the channel meanwhile."""
        if dial.status == DialStatus.DIALING:
            withdraw(dial, reason=reason.value if reason else "", now=timezone.now())
            self._note(call_id, dial)

    # --- What Asterisk tells ---------------------------------------------------------------------

    async def _hear_all(self) -> None:
        while True:
            event = await self._heard.get()
            if isinstance(event, Event):
                self._hear(event)

    def _hear(self, event: Event) -> None:
        call_id, _, part = event.channel_id.partition("-")
        dial = self._dials.get(call_id)
        if dial is None:
            return
        if part == "media":
            self._hear_media(call_id, dial, event)
        elif part == "amd":
            self._hear_machine(call_id, dial, event)
        elif not part:
            self._hear_phone(call_id, dial, event)

    def _hear_phone(self, call_id: str, dial: Dial, event: Event) -> None:
        end = hear(dial, event, now=timezone.now())
        self._note(call_id, dial)
        if isinstance(event, StasisStarted) and call_id not in self._joining:
            self._joining[call_id] = asyncio.get_running_loop().create_future()
            self._spawn(self._join(call_id, dial))
        elif isinstance(event, Destroyed):
            if end is not None and end.stops is not None:
                self._stops[dial.pk] = end.stops
            if dial.answered_at is not None:
                self._spawn(take_down(self.ari, call_id))

    def _hear_media(self, call_id: str, dial: Dial, event: Event) -> None:
        joining = self._joining.get(call_id)
        if isinstance(event, StasisStarted) and joining is not None and not joining.done():
            joining.set_result(None)
        elif isinstance(event, Destroyed) and dial.status in ON_THE_PBX:
            if joining is not None and not joining.done():
                joining.set_exception(NotJoinedError(BRIDGE_LOST))
            else:
                self._spawn(self._left_by_agent(call_id, dial))

    def _hear_machine(self, call_id: str, dial: Dial, event: Event) -> None:
        """The ear beside the call: on its way into the dialplan first, back from there with what it has heard."""
        if not isinstance(event, StasisStarted) or dial.status not in ON_THE_PBX:
            return
        if event.args[:1] != ("amd",):
            provider = self._provider(dial)
            if provider is not None:
                place = {"context": provider.amd_context, "extension": "s", "priority": "1"}
                self._spawn(self._tell("POST", f"channels/{event.channel_id}/continue", **place))
            return
        dial.machine = event.args[1][:10] if len(event.args) > 1 else ""
        self._note(call_id, dial)
        self._spawn(self._tell("DELETE", f"channels/{event.channel_id}"))
        if dial.machine == MACHINE:
            self._spawn(self._hang_up(call_id))

    # --- Joining, and ending ---------------------------------------------------------------------

    async def _join(self, call_id: str, dial: Dial) -> None:
        provider = self._provider(dial)
        if provider is None:
            await self._doom(call_id, dial, Reason.PBX_MISSING.value)
            return
        if provider.amd_context:
            ear = {"spy": "in", "app": self.pbx.login.app, "appArgs": "ear"}
            self._spawn(self._tell("POST", f"channels/{call_id}/snoop/{call_id}-amd", **ear))
        try:
            await join(self.ari, call_id, provider=provider, begun=self._joining[call_id])
        except NotJoinedError as error:
            await self._doom(call_id, dial, error.reason)

    async def _left_by_agent(self, call_id: str, dial: Dial) -> None:
        """The media channel is gone: the conversation has ended, or the bridge has."""
        await asyncio.sleep(LAST_WORDS)
        if dial.status in ON_THE_PBX and await aside(_has_ended, call_id):
            await self._hang_up(call_id)
        elif dial.status in ON_THE_PBX:
            await self._doom(call_id, dial, BRIDGE_LOST)

    async def _doom(self, call_id: str, dial: Dial, reason: str) -> None:
        """End a call that can come to nothing; it will say why."""
        if dial.status in ON_THE_PBX:
            log.warning("call_not_carried", call_id=call_id, reason=reason)
            dial.reason = dial.reason or reason
            self._note(call_id, dial)
            await self._hang_up(call_id)

    async def _hang_up(self, call_id: str) -> None:
        await self._tell("DELETE", f"channels/{call_id}", reason="normal")

    async def _tell(self, method: str, path: str, **query: str) -> None:
        """A request whose effect is heard of as an event; what was lost is done again at the next comparison."""
        with suppress(ProviderError):
            await self.ari.ask(method, path, query=query)

    # --- Writing ---------------------------------------------------------------------------------

    def _note(self, call_id: str, dial: Dial) -> None:
        self._dirty[call_id] = dial
        self._changed.set()

    async def _write(self) -> None:
        while True:
            await self._changed.wait()
            try:
                await self._flush()
            except DatabaseError:
                log.warning("lines_not_written", account_id=self.pbx.account_id, calls=len(self._dirty))
                await asyncio.sleep(LOOK_EVERY)

    async def _flush(self) -> None:
        """Write all that has changed, at once; kept for the next time where that fails."""
        self._changed.clear()
        dirty, stops = dict(self._dirty), dict(self._stops)
        if not dirty:
            return
        self._dirty.clear()
        self._stops.clear()
        states = {call_id: _copy(dial) for call_id, dial in dirty.items()}
        try:
            await aside(rows.write, self.pbx.account_id, session=self.id, dials=list(states.values()), stops=stops)
        except DatabaseError:
            self._dirty = {**dirty, **self._dirty}
            self._stops = {**stops, **self._stops}
            self._changed.set()
            raise
        for call_id, dial in states.items():
            if dial.status not in ON_THE_PBX:
                self._dials.pop(call_id, None)
                self._joining.pop(call_id, None)
                self._ending.discard(call_id)

    # --- Looking after ---------------------------------------------------------------------------

    async def _look_after(self) -> None:
        looks = 0
        while True:
            await asyncio.sleep(LOOK_EVERY)
            looks += 1
            with suppress(DatabaseError, ProviderError):
                await aside(rows.sign_of_life, self.pbx.account_id, session=self.id)
                await self._hang_up_wanted(await aside(rows.to_hang_up, self.pbx.account_id))
                if looks % COMPARE_EVERY == 0:
                    await aside(rows.refuse_unknown, self.pbx.account_id, providers=set(self.pbx.providers))
                    await self._compare(first=False)

    async def _hang_up_wanted(self, wanted: dict[str, datetime | None]) -> None:
        for call_id, since in wanted.items():
            dial = self._dials.get(call_id)
            if dial is not None and call_id not in self._ending:
                self._ending.add(call_id)
                dial.hangup_at = since
                self._spawn(self._hang_up(call_id))

    async def _compare(self, *, first: bool) -> None:
        """Make one of what the PBX has and what the rows say; later on, what is missing must be missing twice."""
        before = dict(self._dials)
        there = await self._what_is_there()
        while not self._heard.empty():  # told before the list was made, so that it is not taken for unseen
            if isinstance(event := self._heard.get_nowait(), Event):
                self._hear(event)
        ours = await aside(rows.known, self.pbx.account_id, list({*there.channels, *there.bridges}))
        verdict = compare(before, there, known=ours - set(self._dials))
        gone = verdict.gone if first else verdict.gone & self._missing
        self._missing = verdict.gone
        for call_id in gone & set(self._dials):
            dial = self._dials[call_id]
            if dial.status in ON_THE_PBX and (first or dial.status == DialStatus.PLACED):
                end_unseen(dial, now=timezone.now())
                self._note(call_id, dial)
        for call_id in verdict.unjoined if first else ():
            await self._doom(call_id, before[call_id], BRIDGE_LOST)
        for call_id in verdict.stray - set(self._dials):
            log.info("stray_channel", call_id=call_id)
            self._spawn(self._hang_up(call_id))
            self._spawn(take_down(self.ari, call_id))
        for call_id in set(before) & set(there.channels) if first else ():
            self._placed(call_id, before[call_id])

    async def _what_is_there(self) -> OnPbx:
        """ProviderError where the PBX does not tell."""
        channels, bridges = await self.ari.ask("GET", "channels"), await self.ari.ask("GET", "bridges")
        try:
            return on_pbx(channels=channels.json(), bridges=bridges.json(), app=self.pbx.login.app)
        except (ValueError, AttributeError):
            raise down() from None

    def _provider(self, dial: Dial) -> Provider | None:
        return self.pbx.providers.get((dial.call.workspace_id, dial.provider_id))


async def first_to_end(*works: Coroutine[Any, Any, None]) -> None:
    """Run them side by side until one ends; the others are cancelled, and what it raised is raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        await task


def _has_ended(call_id: str) -> bool:
    """Whether the bridge has written that the conversation is over."""
    return not VoiceSession.objects.filter(call__call_id=call_id, ended_at=None).exists()


def _copy(dial: Dial) -> Dial:
    """As it is now: what is heard while it is being written is written the next time."""
    state = Dial(call_id=dial.pk, account_id=dial.account_id, provider_id=dial.provider_id)
    for name in rows.FIELDS:
        setattr(state, name, getattr(dial, name))
    return state


async def _logged(work: Coroutine[Any, Any, None]) -> None:
    """A task of its own that fails leaves a line in the log, and the others alone."""
    try:
        await work
    except (ProviderError, DatabaseError) as error:
        log.warning("line_work_failed", error=type(error).__name__)
