"""The states of a call and what moves it between them: a table, knowing nothing of Django or databases."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType


class Status(StrEnum):
    """Where a call is. The values are those of `telephony.models.CallStatus`."""

    QUEUED = "queued"
    DIALING = "dialing"
    RINGING = "ringing"
    IN_PROGRESS = "in_progress"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Signal(StrEnum):
    """What happened to a call, whoever told it."""

    DISPATCHED = "dispatched"
    RANG = "rang"
    ANSWERED = "answered"
    ENDED_WELL = "ended_well"  # a conversation took place: answered or voicemail
    ENDED_BADLY = "ended_badly"
    NOT_DIALLED = "not_dialled"  # the provider's own record proves it


OPEN = (Status.QUEUED, Status.DIALING, Status.RINGING, Status.IN_PROGRESS)
TERMINAL = frozenset({Status.DONE, Status.FAILED, Status.CANCELLED})

TRANSITIONS = MappingProxyType(
    {
        (Status.QUEUED, Signal.DISPATCHED): Status.DIALING,
        (Status.QUEUED, Signal.RANG): Status.RINGING,
        (Status.QUEUED, Signal.ANSWERED): Status.IN_PROGRESS,
        (Status.DIALING, Signal.RANG): Status.RINGING,
        (Status.DIALING, Signal.ANSWERED): Status.IN_PROGRESS,
        (Status.RINGING, Signal.ANSWERED): Status.IN_PROGRESS,
        **{(status, Signal.ENDED_WELL): Status.DONE for status in OPEN},
        **{(status, Signal.ENDED_BADLY): Status.FAILED for status in OPEN},
        **{(status, Signal.NOT_DIALLED): Status.CANCELLED for status in OPEN},
        # Somebody was on the line: whatever the record says later, that number was dialled.
        (Status.IN_PROGRESS, Signal.NOT_DIALLED): Status.FAILED,
    }
)


def next_status(status: Status, signal: Signal) -> Status | None:
    """The status that `signal` leads to, or None where it is late, repeated or out of order."""
    return TRANSITIONS.get((status, signal))


class Fate(StrEnum):
    """Where a recipient goes. The values are those of `telephony.models.RecipientStatus`."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"


def fate_of_recipient(ended: Status, *, run_cancelled: bool) -> Fate:
    """Where a recipient goes when its call has ended: only a call proven never dialled gives the number back."""
    if ended is Status.DONE:
        return Fate.SUCCESS
    if ended is Status.FAILED:
        return Fate.FAILED
    return Fate.CANCELLED if run_cancelled else Fate.PENDING
