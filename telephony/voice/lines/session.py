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
from integrations.asterisk.events import Event, Replaced, Told
from integrations.asterisk.listener import TakenError
from integrations.errors import ProviderError
from telephony.models import Dial, DialStatus
from telephony.voice.lines import rows
from telephony.voice.lines.book import Book
from telephony.voice.lines.hearing import Hearing
from telephony.voice.lines.media import take_down
from telephony.voice.lines.placing import Placing
from telephony.voice.lines.providers import Pbx, digest_of
from telephony.voice.lines.reconcile import OnPbx, compare, on_pbx
from telephony.voice.lines.told import BRIDGE_LOST, end_unseen
from telephony.voice.threads import aside

LOOK_EVERY = 1.0  # seconds
COMPARE_EVERY = 30  # looks

log = structlog.get_logger(__name__)


class Session:
    """`run` returns when the socket is gone; LostHoldError and TakenError say that it must not come back (now)."""

    def __init__(self, *, ari: Ari, pbx: Pbx, bell: asyncio.Event) -> None:
        self.id = new_id("sock")
        self._book = Book(session=self.id, ari=ari, pbx=pbx)
        self._placing = Placing(self._book, bell=bell)
        self._hearing = Hearing(self._book, hold_back=self._placing.hold_back)
        self._heard: asyncio.Queue[Told] = asyncio.Queue()
        self._ending: set[str] = set()
        self._missing: frozenset[str] = frozenset()

    def use(self, pbx: Pbx) -> None:
        """The same PBX; its trunks may be others now."""
        self._book.pbx = pbx

    async def run(self) -> None:
        """Until the socket breaks."""
        account, version = self._book.pbx.account_id, self._book.ari.version.text
        log.info("pbx_connected", account_id=account, session=self.id, version=version)
        try:
            await first_to_end(self._listen(), self._work())
        finally:
            await self._book.close()
            log.info("pbx_disconnected", account_id=account, session=self.id, calls=len(self._book.dials))

    async def _listen(self) -> None:
        async for event in self._book.ari.events():
            self._heard.put_nowait(event)
            if isinstance(event, Replaced):
                raise TakenError

    async def _work(self) -> None:
        account, login = self._book.pbx.account_id, digest_of(self._book.pbx.login)
        await aside(rows.link_up, account, session=self.id, login=login, version=self._book.ari.version.text)
        self._book.dials = await aside(rows.open_dials, account)
        await self._go_on_from_the_rows()
        await first_to_end(self._hear(), self._placing.run(), self._book.keep(), self._look_after())

    async def _hear(self) -> None:
        while True:
            event = await self._heard.get()
            if isinstance(event, Event):
                self._hearing.hear(event)

    # --- What the PBX has, and what the rows say -----------------------------------------------------

    async def _go_on_from_the_rows(self) -> None:
        """After another socket: what ended unseen is ended, what nobody talks to hung up, the rest goes on."""
        before, there = dict(self._book.dials), await self._there()
        while not self._heard.empty():  # told before the list was made: seen, after all
            if isinstance(event := self._heard.get_nowait(), Event):
                self._hearing.hear(event)
        verdict = compare(before, there, known=await self._known(there))
        for call_id in verdict.gone:
            if (dial := self._book.open(call_id)) is not None:
                self._end_unseen(call_id, dial)
        for call_id in verdict.unjoined:
            await self._hearing.doom(call_id, BRIDGE_LOST)
        for call_id in set(before) & set(there.channels):
            self._placing.placed(call_id, before[call_id])
        self._end_strays(verdict.stray)

    async def _compare(self) -> None:
        """While all is well: what is missing twice has ended unseen; what is nobody's is ended."""
        before, there = dict(self._book.dials), await self._there()
        verdict = compare(before, there, known=await self._known(there))
        gone, self._missing = verdict.gone & self._missing, verdict.gone
        for call_id in gone:
            dial = self._book.open(call_id)
            if dial is not None and dial.status == DialStatus.PLACED:
                self._end_unseen(call_id, dial)
        self._end_strays(verdict.stray)

    async def _there(self) -> OnPbx:
        """ProviderError where the PBX does not tell."""
        ari = self._book.ari
        channels, bridges = await ari.ask("GET", "channels"), await ari.ask("GET", "bridges")
        try:
            return on_pbx(channels=channels.json(), bridges=bridges.json(), app=ari.login.app)
        except (ValueError, AttributeError):
            raise down() from None

    async def _known(self, there: OnPbx) -> set[str]:
        return await aside(rows.known, self._book.pbx.account_id, list({*there.channels, *there.bridges}))

    def _end_unseen(self, call_id: str, dial: Dial) -> None:
        """Its phone is gone; the agent's side of it may still be there."""
        end_unseen(dial, now=timezone.now())
        self._book.note(call_id, dial)
        self._book.spawn(take_down(self._book.ari, call_id))

    def _end_strays(self, strays: frozenset[str]) -> None:
        for call_id in strays - set(self._book.dials):
            log.info("stray_channel", call_id=call_id)
            self._book.spawn(self._book.hang_up(call_id))
            self._book.spawn(take_down(self._book.ari, call_id))

    # --- Looking after -------------------------------------------------------------------------------

    async def _look_after(self) -> None:
        looks, account = 0, self._book.pbx.account_id
        while True:
            await asyncio.sleep(LOOK_EVERY)
            looks += 1
            with suppress(DatabaseError, ProviderError):
                await aside(rows.sign_of_life, account, session=self.id)
                self._hang_up(await aside(rows.to_hang_up, account))
                if looks % COMPARE_EVERY == 0:
                    await aside(rows.refuse_unknown, account, providers=set(self._book.pbx.providers))
                    await self._compare()

    def _hang_up(self, wanted: dict[str, datetime | None]) -> None:
        self._ending &= set(wanted)
        for call_id, since in wanted.items():
            dial = self._book.open(call_id)
            if dial is not None and call_id not in self._ending:
                self._ending.add(call_id)
                dial.hangup_at = since
                self._book.spawn(self._book.hang_up(call_id))


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
