"""The one process that holds a PBX, and the others that stand by: whoever has the lease keeps the event socket up."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog
from django.db import Error as DatabaseError
from redis import RedisError

from aispinner.core import heartbeat
from integrations.asterisk.client import Ari
from integrations.asterisk.listener import REFUSED_WAIT, TakenError, keep_listening
from integrations.errors import Reason
from telephony.voice.lines import providers, ring, rows
from telephony.voice.lines.lease import Lease
from telephony.voice.lines.providers import Pbx
from telephony.voice.lines.session import Session, first_to_end
from telephony.voice.threads import aside

STAND_BY = 1.0  # seconds between two tries to take the lease
SETTINGS_EVERY = 2.0  # seconds between two looks at the settings
WHO = "asterisk"

log = structlog.get_logger(__name__)


class _RefusedError(Exception):
    """The PBX does not take these credentials: somebody else's may be the right ones."""


class Holder:
    """Holds one PBX with one set of credentials, or waits until it may."""

    def __init__(self, pbx: Pbx) -> None:
        self.pbx = pbx
        self.bell = asyncio.Event()
        self._session: Session | None = None
        self._lease = Lease(f"pbx:{providers.account_name(pbx.login)}")

    def update(self, pbx: Pbx) -> None:
        """The same PBX and credentials; trunks and their rates may be others."""
        self.pbx = pbx
        if self._session is not None:
            self._session.use(pbx)

    async def run(self) -> None:
        """For ever, or until another program has taken our application's name."""
        try:
            while True:
                while not await aside(self._lease.take):
                    await asyncio.sleep(STAND_BY)
                wait = STAND_BY
                try:
                    await self._hold()
                except _RefusedError:
                    wait = REFUSED_WAIT
                except TakenError:
                    if await self._by_a_stranger():
                        await self._taken()
                        return
                    log.warning("pbx_let_go", account_id=self.pbx.account_id, why="taken over")
                except (rows.LostHoldError, DatabaseError) as error:
                    log.warning("pbx_let_go", account_id=self.pbx.account_id, why=type(error).__name__)
                await aside(self._lease.give_back)
                await asyncio.sleep(wait)
        finally:
            await asyncio.shield(aside(self._lease.close))

    async def _hold(self) -> None:
        await first_to_end(
            keep_listening(self.pbx.login, serve=self._serve, failed=self._failed), self._watch_the_lease()
        )

    async def _serve(self, ari: Ari) -> None:
        self._session = Session(ari=ari, pbx=self.pbx, bell=self.bell)
        await self._session.run()

    async def _failed(self, reason: Reason) -> None:
        session, self._session = self._session, None
        await aside(rows.link_down, self.pbx.account_id, session=session.id if session else "", problem=reason)
        log.warning("pbx_down", account_id=self.pbx.account_id, reason=reason.value)
        if reason is Reason.PBX_REFUSED:
            raise _RefusedError

    async def _watch_the_lease(self) -> None:
        """A database that was away for a moment took the lease along; if nobody has it now, it is ours again."""
        while True:
            await asyncio.sleep(STAND_BY)
            if await aside(self._lease.is_held):
                continue
            taken = await aside(self._lease.take)
            if taken is False:
                raise rows.LostHoldError

    async def _by_a_stranger(self) -> bool:
        """Not by another process of ours, to which a database that was away for a moment gave the lease."""
        while not await aside(self._lease.is_held):
            if (taken := await aside(self._lease.take)) is not None:
                return taken
            await asyncio.sleep(STAND_BY)
        return True

    async def _taken(self) -> None:
        """Only whoever set this up can tell the two apart: say why, stay away until settings or process change."""
        session = self._session
        log.error("pbx_taken_by_another_program", account_id=self.pbx.account_id, app=self.pbx.login.app)
        if session is not None:
            with suppress(rows.LostHoldError, DatabaseError):
                await aside(rows.give_up, self.pbx.account_id, session=session.id)
            await aside(rows.link_down, self.pbx.account_id, session=session.id, problem=Reason.PBX_TAKEN)


class Holders:
    """A holder for every PBX in the settings, as they change."""

    def __init__(self) -> None:
        self._running: dict[object, tuple[Holder, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """For ever."""
        try:
            await first_to_end(ring.listen(self._rung), self._follow_settings(), _give_signs())
        finally:
            tasks = [task for _, task in self._running.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _rung(self, account_id: int) -> None:
        for holder, _ in self._running.values():
            if holder.pbx.account_id == account_id:
                holder.bell.set()

    async def _follow_settings(self) -> None:
        mark: object = None
        while True:
            try:
                now = await aside(providers.settings_mark)
                if now != mark:
                    await self._adopt({pbx.login: pbx for pbx in await aside(providers.pbxes)})
                    mark = now
            except DatabaseError:
                log.warning("settings_not_read")
            await asyncio.sleep(SETTINGS_EVERY)

    async def _adopt(self, wanted: dict[object, Pbx]) -> None:
        gone = [self._running.pop(login)[1] for login in list(self._running) if login not in wanted]
        for task in gone:
            task.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        for login, pbx in wanted.items():
            if login in self._running and not self._running[login][1].done():
                self._running[login][0].update(pbx)
            else:
                holder = Holder(pbx)
                self._running[login] = holder, asyncio.create_task(_watched(holder))


async def _watched(holder: Holder) -> None:
    """A holder that fails in a way nobody thought of is begun anew."""
    while True:
        try:
            await holder.run()
        except Exception:  # whatever it is, the other PBXs, and this one in a moment, go on
            log.exception("pbx_holder_failed", account_id=holder.pbx.account_id)
            await asyncio.sleep(STAND_BY)
        else:
            return


async def _give_signs() -> None:
    while True:
        with suppress(RedisError):
            await aside(heartbeat.leave, WHO)
        await asyncio.sleep(heartbeat.INTERVAL)
