"""A dial row put into the words of the dialer, and moved on by what Asterisk tells: knows no socket and no query."""

from __future__ import annotations

from datetime import datetime

from integrations.asterisk.events import Answered, Destroyed, Event, Rang, StasisStarted
from integrations.asterisk.outcomes import NORMAL, Ending, ending
from integrations.calls import CallReport, Outcome, Phase
from telephony.models import Dial, DialStatus

LOST_SIGHT, BRIDGE_LOST, NO_BRIDGE = "lost_sight", "bridge_lost", "no_bridge"
MACHINE = "MACHINE"
OPEN = (DialStatus.WAITING, DialStatus.DIALING, DialStatus.PLACED)
ON_THE_PBX = (DialStatus.DIALING, DialStatus.PLACED)
_TALKED = (Outcome.ANSWERED, Outcome.VOICEMAIL)


def report_of(dial: Dial) -> CallReport:
    """What the row says of its call."""
    match dial.status:
        case DialStatus.WAITING:
            return CallReport(phase=Phase.WAITING)
        case DialStatus.WITHDRAWN:
            return CallReport(phase=Phase.NOT_DIALLED, account_limit=dial.reason, settled=True)
        case DialStatus.ENDED:
            return _ended(dial, Outcome(dial.outcome))
    if dial.machine == MACHINE:  # it ends with that, whoever else speaks of its end
        return _ended(dial, Outcome.VOICEMAIL)
    if dial.answered_at is not None:
        return CallReport(phase=Phase.IN_PROGRESS, started_at=dial.answered_at)
    phase = Phase.RINGING if dial.rang_at is not None else Phase.DISPATCHED
    return CallReport(phase=phase, started_at=dial.dialled_at)


def _ended(dial: Dial, outcome: Outcome) -> CallReport:
    talked = dial.ended_at - dial.answered_at if dial.ended_at and dial.answered_at else None
    return CallReport(
        phase=Phase.ENDED,
        outcome=outcome,
        reason=dial.reason,
        started_at=dial.answered_at or dial.dialled_at,
        duration_sec=round(talked.total_seconds()) if talked is not None else 0,
        settled=outcome not in _TALKED,  # of a conversation, ElevenLabs has the rest to tell
    )


def hear(dial: Dial, event: Event, *, session: str, now: datetime) -> Ending | None:
    """Move the row on by an event of the phone's channel, heard over `session`; how the call ended, where it has."""
    if dial.status not in ON_THE_PBX:
        return None
    dial.status = DialStatus.PLACED
    match event:
        case Rang():
            dial.rang_at = dial.rang_at or now
        case Answered() | StasisStarted():
            dial.answered_at = dial.answered_at or now
        case Destroyed():
            return end_by(dial, event, unbroken=dial.session == session, now=now)
    return None


def end_by(dial: Dial, event: Destroyed, *, unbroken: bool, now: datetime) -> Ending:
    """The channel is gone. A reason that was noted before (a bridge that was lost) outweighs what the channel says.

    Where another socket came between (not `unbroken`), ringing may have gone unheard, and an answer, too.
    """
    dial.cause, dial.tech_cause = event.cause, event.tech_cause
    end = ending(
        cause=event.cause,
        tech_cause=event.tech_cause,
        rang=dial.rang_at is not None or not unbroken,
        answered=dial.answered_at is not None,
        machine=dial.machine == MACHINE,
        ours=dial.hangup_at is not None,
    )
    if not unbroken and event.cause in NORMAL and dial.answered_at is None and dial.hangup_at is None:
        end = Ending(Outcome.ERROR, LOST_SIGHT)
    if dial.reason:
        end = Ending(Outcome.ERROR, dial.reason)
    _end(dial, end, now=now)
    return end


def end_unseen(dial: Dial, *, now: datetime) -> None:
    """Its channel is gone and nobody saw how: who had answered has talked; of the others, nobody can know."""
    talked = Outcome.VOICEMAIL if dial.machine == MACHINE else Outcome.ANSWERED
    if dial.reason:
        _end(dial, Ending(Outcome.ERROR, dial.reason), now=now)
    elif dial.answered_at is not None:
        _end(dial, Ending(talked), now=now)
    else:
        _end(dial, Ending(Outcome.ERROR, LOST_SIGHT), now=now)


def withdraw(dial: Dial, *, reason: str = "", now: datetime) -> None:
    """It was surely not dialled; `reason`, where given, stops its campaign."""
    dial.status, dial.reason, dial.ended_at = DialStatus.WITHDRAWN, reason, now


def _end(dial: Dial, end: Ending, *, now: datetime) -> None:
    dial.status, dial.ended_at = DialStatus.ENDED, now
    dial.outcome, dial.reason = end.outcome, end.reason
