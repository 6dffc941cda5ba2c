"""All conversations of one bridge process: taken in while there is room, written down as they go on, ended."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import structlog
from django.db import Error as DatabaseError

from integrations.calls import Outcome, Phase
from integrations.elevenlabs.conversation_events import Metadata
from integrations.elevenlabs.live_conversation import LiveConversation, open_live_conversation
from telephony.voice import records
from telephony.voice.legs.base import Leg
from telephony.voice.notes import Ending, Notes
from telephony.voice.recorder import Recorder
from telephony.voice.records import NoSessionError
from telephony.voice.session import Session
from telephony.voice.threads import aside, encoding

log = structlog.get_logger(__name__)

AGENT_WITHIN = 15.0  # seconds from asking for the agent to its metadata
ROW_WITHIN = 10.0  # seconds in which a call's session row must be there
WRITE_AGAIN = (0.5, 1, 2, 4, 8, 15, 30)  # seconds between attempts at writing how a call ended
BRIDGE_ERROR, NO_SESSION = "bridge_error", "no_session"


class FullError(Exception):
    """No room; `reason` is `full`, `stopping` or `taken`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass
class Held:
    """A conversation that is held here."""

    session: Session
    task: asyncio.Task[None]
    since: float


@dataclass
class House:
    """The registry of one process."""

    bridge_id: str
    capacity: int
    stopping: bool = False
    held: dict[str, Held] = field(default_factory=dict)

    def check_room(self, call_id: str) -> None:
        """FullError where this call cannot be taken."""
        if self.stopping:
            raise FullError("stopping")
        if call_id in self.held:
            raise FullError("taken")
        if len(self.held) >= self.capacity:
            raise FullError("full")

    def take(self, call_id: str, leg: Leg, *, phase: Phase) -> None:
        """Hold the call, which has come as far as `phase`, until it ends."""
        self.check_room(call_id)
        loop = asyncio.get_running_loop()
        session = Session(
            call_id=call_id,
            leg=leg,
            agent=_Agent(call_id=call_id, bridge_id=self.bridge_id),
            notes=Notes(phase=phase, clock=loop.time),
            recorder=lambda rate: Recorder(rate=rate, threads=encoding),
        )
        task = loop.create_task(self._hold(session))
        self.held[call_id] = Held(session=session, task=task, since=loop.time())

    def end(self, call_id: str, reason: str) -> bool:
        """End a call; whether it was held here."""
        held = self.held.get(call_id)
        if held is not None:
            held.session.end(reason)
        return held is not None

    def to_be_known(self) -> list[str]:
        """The calls whose rows must be there by now."""
        now = asyncio.get_running_loop().time()
        return [call_id for call_id, held in self.held.items() if held.since + ROW_WITHIN < now]

    async def drain(self, *, grace: float, reason: str) -> None:
        """Take nothing more; after `grace` seconds end what goes on still, and wait until it is written down."""
        self.stopping = True
        tasks = [held.task for held in self.held.values()]
        if not tasks:
            return
        await asyncio.wait(tasks, timeout=grace)
        for held in self.held.values():
            held.session.end(reason)
        await asyncio.wait(tasks, timeout=sum(WRITE_AGAIN))

    async def _hold(self, session: Session) -> None:
        writing = asyncio.ensure_future(self._write_down(session))
        try:
            ending = await session.run()
        except NoSessionError:
            ending = Ending(outcome=Outcome.ERROR, reason=NO_SESSION, why=NO_SESSION, settled=True)
        except Exception:
            log.exception("voice_session_broke", call_id=session.call_id)
            ending = Ending(outcome=Outcome.ERROR, reason=BRIDGE_ERROR, why=BRIDGE_ERROR)
        try:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            await self._write_end(session, ending)
            await session.close_leg()
            await self._keep_recording(session)
        finally:
            del self.held[session.call_id]
        log.info("voice_session_ended", call_id=session.call_id, why=ending.why)

    async def _write_down(self, session: Session) -> None:
        """Write the notes into the journal whenever they have changed; several changes at once are one."""
        notes = session.notes
        while True:
            await notes.changed.wait()
            notes.changed.clear()
            try:
                await aside(records.write_report, session.call_id, notes.report(), bridge_id=self.bridge_id)
            except NoSessionError:
                session.end(NO_SESSION)
                return
            except DatabaseError:
                log.warning("notes_not_written", call_id=session.call_id)
                notes.changed.set()
                await asyncio.sleep(WRITE_AGAIN[0])

    async def _write_end(self, session: Session, ending: Ending) -> None:
        """Write how it ended; should the database stay away, the row is found open later, and ended then."""
        report = session.notes.final(ending)
        for wait in (*WRITE_AGAIN, 0):
            try:
                await aside(records.write_end, session.call_id, report, why=ending.why, bridge_id=self.bridge_id)
            except NoSessionError:  # ended by another already, or never opened
                return
            except DatabaseError:
                await asyncio.sleep(wait)
            else:
                return
        log.error("end_not_written", call_id=session.call_id)

    async def _keep_recording(self, session: Session) -> None:
        if session.recorder is None:
            return
        with await session.recorder.finish() as mp3:
            try:
                await aside(records.keep_recording, session.call_id, mp3)
            except Exception:  # a disk's, a bucket's or the database's: the call was had all the same
                log.exception("recording_not_kept", call_id=session.call_id)


@dataclass(frozen=True, kw_only=True)
class _Agent:
    """The agent of a call, as the database names it."""

    call_id: str
    bridge_id: str

    async def connect(self) -> tuple[LiveConversation, Metadata]:
        """NoSessionError where this bridge does not hold the call; ProviderError."""
        brief = await aside(records.brief, self.call_id, bridge_id=self.bridge_id)
        return await open_live_conversation(
            signed_url=brief.signed_url, variables=brief.variables, user_id=self.call_id, within=AGENT_WITHIN
        )
