"""What Asterisk tells of our channels, and what follows: an agent put on the line, voicemail noticed, a leg's end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from django.utils import timezone

from integrations.asterisk.events import Destroyed, Event, StasisStarted
from integrations.errors import Reason
from telephony.models import Dial, VoiceSession
from telephony.voice.bridges import close_session
from telephony.voice.lines.book import Book
from telephony.voice.lines.media import NotJoinedError, join, take_down
from telephony.voice.lines.told import BRIDGE_LOST, MACHINE, NO_BRIDGE, hear
from telephony.voice.threads import aside

CALLER_LEFT = "caller_left"
LAST_WORDS = 0.3  # seconds in which a bridge that closes its socket may still be writing why
WITHOUT_BRIDGE = 5.0  # seconds in which nothing is dialled after no bridge took a call

log = structlog.get_logger(__name__)


class Hearing:
    """Events in, one after the other; what takes time is done beside. `hold_back` is told where nobody can talk."""

    def __init__(self, book: Book, *, hold_back: Callable[[float], None]) -> None:
        self._book, self._hold_back = book, hold_back
        self._joining: dict[str, asyncio.Future[bool]] = {}

    def hear(self, event: Event) -> None:
        """Of a call's phone, of its media channel, or of the ear beside it."""
        call_id, _, part = event.channel_id.partition("-")
        dial = self._book.dials.get(call_id)
        if dial is None:
            return
        if part == "media":
            self._media(call_id, event)
        elif part == "amd":
            self._ear(call_id, event)
        elif not part:
            self._phone(call_id, dial, event)

    async def doom(self, call_id: str, reason: str) -> None:
        """End a call that can come to nothing; its row will say why."""
        dial = self._book.open(call_id)
        if dial is not None:
            log.warning("call_not_carried", call_id=call_id, reason=reason)
            dial.reason = dial.reason or reason
            self._book.note(call_id, dial)
            await self._book.hang_up(call_id)

    def _phone(self, call_id: str, dial: Dial, event: Event) -> None:
        end = hear(dial, event, session=self._book.session, now=timezone.now())
        self._book.note(call_id, dial, stops=end.stops if end is not None else None)
        if isinstance(event, StasisStarted) and call_id not in self._joining:
            begun = self._joining[call_id] = asyncio.get_running_loop().create_future()
            self._book.spawn(self._join(call_id, dial, begun))
        elif isinstance(event, Destroyed) and dial.answered_at is not None:
            self._book.spawn(self._clear_up(call_id, joining=self._joining.pop(call_id, None)))

    def _media(self, call_id: str, event: Event) -> None:
        joining = self._joining.get(call_id)
        if isinstance(event, StasisStarted) and joining is not None and not joining.done():
            joining.set_result(True)
        elif isinstance(event, Destroyed) and self._book.open(call_id) is not None:
            if joining is not None and not joining.done():
                joining.set_result(False)
            else:
                self._book.spawn(self._left_by_agent(call_id))

    def _ear(self, call_id: str, event: Event) -> None:
        """On its way into the dialplan first, back from there with what it has heard."""
        dial = self._book.open(call_id)
        if dial is None or not isinstance(event, StasisStarted):
            return
        if event.args[:1] != ("amd",):
            provider = self._book.provider(dial)
            place = {"context": provider.amd_context if provider else "", "extension": "s", "priority": "1"}
            self._book.spawn(self._book.tell("POST", f"channels/{event.channel_id}/continue", **place))
            return
        dial.machine = event.args[1][:10] if len(event.args) > 1 else ""
        self._book.note(call_id, dial)
        self._book.spawn(self._book.tell("DELETE", f"channels/{event.channel_id}"))
        if dial.machine == MACHINE:
            self._book.spawn(self._leave_machine(call_id))

    async def _join(self, call_id: str, dial: Dial, begun: asyncio.Future[bool]) -> None:
        provider = self._book.provider(dial)
        if provider is None:
            await self.doom(call_id, Reason.PBX_MISSING.value)
            return
        if provider.amd_context:
            ear = {"spy": "in", "app": provider.login.app, "appArgs": "ear"}
            self._book.spawn(self._book.tell("POST", f"channels/{call_id}/snoop/{call_id}-amd", **ear))
        try:
            await join(self._book.ari, call_id, provider=provider, begun=begun)
        except NotJoinedError as error:
            if error.reason == NO_BRIDGE:
                self._hold_back(WITHOUT_BRIDGE)
                await self.doom(call_id, NO_BRIDGE)
            else:
                await self._left_by_agent(call_id)
        if self._book.open(call_id) is None:  # gone while it was being joined
            await self._clear_up(call_id, joining=begun)

    async def _clear_up(self, call_id: str, *, joining: asyncio.Future[bool] | None) -> None:
        """Nobody is on the phone any more. A bridge that was never connected would wait for its media."""
        await take_down(self._book.ari, call_id)
        if joining is not None and not (joining.done() and joining.result()):
            if not joining.done():
                joining.set_result(False)
            await self._book.written()
            await aside(close_session, call_id=call_id, reason=CALLER_LEFT)

    async def _leave_machine(self, call_id: str) -> None:
        """Written first: the voice bridge, too, will say how the call ended, and knows of nobody but a caller."""
        await self._book.written()
        await self._book.hang_up(call_id)

    async def _left_by_agent(self, call_id: str) -> None:
        """The media channel is gone, or never came: the conversation has ended, or the bridge has."""
        await asyncio.sleep(LAST_WORDS)
        if await aside(_has_ended, call_id):
            await self._book.hang_up(call_id)
        else:
            await self.doom(call_id, BRIDGE_LOST)


def _has_ended(call_id: str) -> bool:
    """Whether the bridge has written that the conversation is over."""
    return VoiceSession.objects.filter(call__call_id=call_id, ended_at__isnull=False).exists()
