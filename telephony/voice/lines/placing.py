"""Rows dialled over an event socket that is up, as fast as their trunks allow; what came of an originate, found out."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog
from django.db import Error as DatabaseError
from django.utils import timezone

from integrations.asterisk.refusals import never_dialled
from integrations.errors import Answer, ProviderError, Reason
from integrations.http import Reply
from telephony.models import Dial, DialStatus
from telephony.voice.lines import rows
from telephony.voice.lines.book import Book
from telephony.voice.lines.pace import Pace
from telephony.voice.lines.providers import Provider
from telephony.voice.lines.told import withdraw
from telephony.voice.threads import aside

LOOK_EVERY = 1.0  # seconds, where no bell rings
LOOKS_AFTER_UNKNOWN = (1.0, 5.0)  # seconds to wait before each

log = structlog.get_logger(__name__)


class Placing:
    """Takes rows and places their calls. `hold_back` stops it for a while."""

    def __init__(self, book: Book, *, bell: asyncio.Event) -> None:
        self._book, self._bell = book, bell
        self._paces: dict[tuple[int, str], Pace] = {}
        self._held_back_until = 0.0
        self._unsure = False  # whether something may have been taken that we were not told of

    def hold_back(self, seconds: float) -> None:
        """Nobody could talk to whoever answered now."""
        self._held_back_until = asyncio.get_running_loop().time() + seconds

    async def run(self) -> None:
        """For ever."""
        while True:
            self._bell.clear()
            taken = await self._take()
            for each in taken:
                self._book.dials[each.call_id] = each.dial
                self._book.spawn(self._originate(each))
            if taken:
                await asyncio.sleep(self._until_next())
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._until_next() or LOOK_EVERY):
                        await self._bell.wait()

    async def _take(self) -> list[rows.Taken]:
        now, pbx = asyncio.get_running_loop().time(), self._book.pbx
        for key, provider in pbx.providers.items():
            self._paces.setdefault(key, Pace(rate=1.0)).rate = provider.calls_per_second
        most = {key: free for key in pbx.providers if (free := self._paces[key].free(now))}
        if now < self._held_back_until:
            return []
        try:
            await self._give_back_if_unsure()
            taken = await self._taken(most)
        except DatabaseError:
            self._unsure = True
            return []
        for each in taken:
            self._paces[each.workspace_id, each.dial.provider_id].use(1, asyncio.get_running_loop().time())
        return taken

    async def _taken(self, most: dict[tuple[int, str], int]) -> list[rows.Taken]:
        """Should the socket break meanwhile, what was taken is given back: nobody is going to place it."""
        account, session = self._book.pbx.account_id, self._book.session
        taking = asyncio.ensure_future(aside(rows.take, account, session=session, most=most))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            with suppress(DatabaseError, rows.LostHoldError):
                for each in await taking:
                    self._not_dialled(each.call_id, each.dial)
            raise

    async def _give_back_if_unsure(self) -> None:
        """A database that went away while we took may have done it all the same."""
        if self._unsure:
            placed = [dial.pk for dial in self._book.dials.values()]
            await aside(rows.give_back, self._book.pbx.account_id, session=self._book.session, but=placed)
            self._unsure = False

    def _until_next(self) -> float:
        """Seconds until one of the trunks that are busy may be used again; 0 where none is."""
        now = asyncio.get_running_loop().time()
        waits = [pace.next_at - now for pace in self._paces.values() if pace.next_at > now]
        return min([LOOK_EVERY, *waits]) if waits else 0.0

    async def _originate(self, taken: rows.Taken) -> None:
        """Place the call; the row, which says so already, is moved on by what is answered and heard."""
        dial, call_id = taken.dial, taken.call_id
        provider = self._book.provider(dial)
        if provider is None:
            self._not_dialled(call_id, dial, reason=Reason.PBX_MISSING)
            return
        try:
            reply = await self._book.ari.ask("POST", f"channels/{call_id}", body=_body(provider, taken.number))
        except ProviderError as error:
            if error.answer is Answer.NOT_DONE:
                self._not_dialled(call_id, dial)
            else:
                await self._look_for(call_id, dial)
            return
        if reply.status < 300 or reply.status == 409:  # 409: it is there
            self.placed(call_id, dial)
        elif (reason := never_dialled(reply)) is not None:
            log.warning("originate_refused", call_id=call_id, status=reply.status, reason=reason.value)
            self._not_dialled(call_id, dial, reason=reason)
        else:
            await self._look_for(call_id, dial)

    async def _look_for(self, call_id: str, dial: Dial) -> None:
        """Nobody can say what became of an originate: absence is proof only on this socket, up since before it."""
        for wait in LOOKS_AFTER_UNKNOWN:
            await asyncio.sleep(wait)
            reply = await self._look(call_id, again=wait)
            if dial.status != DialStatus.DIALING:
                return
            if reply.status != 404:
                self.placed(call_id, dial)
                return
        log.warning("originate_lost", call_id=call_id)
        self._not_dialled(call_id, dial, reason=Reason.PBX_DOWN)

    async def _look(self, call_id: str, *, again: float) -> Reply:
        """Asked until it is answered, or the socket is gone: then the next one decides."""
        while True:
            with suppress(ProviderError):
                return await self._book.ari.ask("GET", f"channels/{call_id}")
            await asyncio.sleep(again)

    def placed(self, call_id: str, dial: Dial) -> None:
        """The call is on the PBX."""
        if dial.status == DialStatus.DIALING:
            dial.status = DialStatus.PLACED
            self._book.note(call_id, dial)

    def _not_dialled(self, call_id: str, dial: Dial, *, reason: Reason | None = None) -> None:
        """Unless the socket has told of the channel meanwhile."""
        if dial.status == DialStatus.DIALING:
            withdraw(dial, reason=reason.value if reason else "", now=timezone.now())
            self._book.note(call_id, dial)


def _body(provider: Provider, number: str) -> dict[str, str | int]:
    body: dict[str, str | int] = {
        "endpoint": provider.endpoint.replace("{number}", number),
        "app": provider.login.app,
        "timeout": provider.ring_seconds,
    }
    return {**body, "callerId": provider.caller_id} if provider.caller_id else body
