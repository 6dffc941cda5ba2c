"""What a session knows of the calls on its PBX: rows in memory, changed as Asterisk tells, written down soon after."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import structlog
from django.db import DataError, IntegrityError
from django.db import Error as DatabaseError

from integrations.asterisk.client import Ari
from integrations.errors import ProviderError, Reason
from telephony.models import Dial
from telephony.voice.lines import rows
from telephony.voice.lines.providers import Pbx, Provider
from telephony.voice.lines.told import ON_THE_PBX
from telephony.voice.threads import aside

AGAIN = 1.0  # seconds until what could not be written is tried again

log = structlog.get_logger(__name__)


class Book:
    """Shared by all parts of a session. `dials` are the calls on the PBX, by our id."""

    def __init__(self, *, session: str, ari: Ari, pbx: Pbx) -> None:
        self.session, self.ari, self.pbx = session, ari, pbx
        self.dials: dict[str, Dial] = {}
        self._dirty: dict[str, Dial] = {}
        self._stops: dict[int, Reason] = {}
        self._changed = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def provider(self, dial: Dial) -> Provider | None:
        """What the call goes through; None where it is no longer in the settings."""
        return self.pbx.providers.get((dial.call.workspace_id, dial.provider_id))

    def open(self, call_id: str) -> Dial | None:
        """The call's row, while it is on the PBX."""
        dial = self.dials.get(call_id)
        return dial if dial is not None and dial.status in ON_THE_PBX else None

    def note(self, call_id: str, dial: Dial, *, stops: Reason | None = None) -> None:
        """The row has changed; `stops` is why its campaign should try no further."""
        self._dirty[call_id] = dial
        if stops is not None:
            self._stops[dial.pk] = stops
        self._changed.set()

    async def written(self) -> None:
        """Return when all that has been noted so far is in the journal."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        self._changed.set()
        await done

    async def tell(self, method: str, path: str, **query: str) -> None:
        """A request whose effect is heard of as an event; what was lost is done again at the next comparison."""
        with suppress(ProviderError):
            await self.ari.ask(method, path, query=query)

    async def hang_up(self, call_id: str) -> None:
        """End the phone's channel."""
        await self.tell("DELETE", f"channels/{call_id}", reason="normal")

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside everything else."""
        task = asyncio.create_task(_logged(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Nothing is done any more; what is known is written, if it still may be."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(rows.LostHoldError, DatabaseError):
            await self._flush()

    async def keep(self) -> None:
        """Write what changes, for ever; all that has changed meanwhile at once."""
        while True:
            await self._changed.wait()
            try:
                await self._flush()
            except DatabaseError as error:
                why, calls = type(error).__name__, len(self._dirty)
                log.warning("lines_not_written", account_id=self.pbx.account_id, calls=calls, error=why)
                await asyncio.sleep(AGAIN)

    async def _flush(self) -> None:
        self._changed.clear()
        dirty, self._dirty = self._dirty, {}
        stops, self._stops = self._stops, {}
        waiting, self._waiting = self._waiting, []
        states = {call_id: _copy(dial) for call_id, dial in dirty.items()}
        try:
            if states:
                await self._store(list(states.values()), stops)
        except DatabaseError:
            self._waiting = [*waiting, *self._waiting]
            self._dirty, self._stops = {**dirty, **self._dirty}, {**stops, **self._stops}
            self._changed.set()
            raise
        for call_id, dial in states.items():
            if dial.status not in ON_THE_PBX:
                self.dials.pop(call_id, None)
        for done in waiting:
            if not done.done():
                done.set_result(None)

    async def _store(self, dials: list[Dial], stops: dict[int, Reason]) -> None:
        """All at once; where one of them cannot be stored, that one alone is left to the sweep."""
        account = self.pbx.account_id
        try:
            await aside(rows.write, account, session=self.session, dials=dials, stops=stops)
        except (DataError, IntegrityError):
            for dial in dials:
                own = {pk: reason for pk, reason in stops.items() if pk == dial.pk}
                try:
                    await aside(rows.write, account, session=self.session, dials=[dial], stops=own)
                except (DataError, IntegrityError):
                    log.warning("line_not_storable", account_id=account, call=dial.pk)


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
