"""What a run does next, decided from what its rows say and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from telephony.dialer.pacing import next_size

CHECK_AGAIN = timedelta(seconds=15)  # a lost bell costs at most this


@dataclass(frozen=True, kw_only=True)
class RunView:
    """A run as the plan sees it. `open_chunks` are those not yet done or dissolved."""

    status: str
    pending: int
    in_flight: int
    max_concurrent: int
    continuous: bool
    next_attempt_at: datetime | None
    open_chunks: int
    waiting_chunk: int | None = None  # a chunk kept for another try
    waiting_until: datetime | None = None
    share: int = 0
    room: int = 0
    failing: bool = False  # its calls keep failing at the provider


@dataclass(frozen=True)
class Submit:
    """Put the next `size` numbers into a chunk and submit it."""

    size: int


@dataclass(frozen=True)
class Resubmit:
    """Submit a kept chunk again."""

    chunk_id: int


@dataclass(frozen=True)
class Dissolve:
    """Give a kept chunk's numbers back: the run is stopping."""

    chunk_id: int


@dataclass(frozen=True)
class Wait:
    """Nothing to do before `until` unless a bell rings; `reason` where something is kept from being done."""

    until: datetime
    reason: str = ""


@dataclass(frozen=True)
class Stop:
    """Pause the run for `reason`."""

    reason: str


@dataclass(frozen=True)
class Become:
    """The run has reached a resting state."""

    status: str


Step = Submit | Resubmit | Dissolve | Wait | Stop | Become


def next_step(run: RunView, *, now: datetime) -> Step | None:
    """The next step of a run, or None where it rests."""
    if run.status == "running":
        return _dial(run, now=now)
    if run.status in {"pausing", "cancelled"}:
        if run.waiting_chunk is not None:
            return Dissolve(run.waiting_chunk)
        if run.in_flight or run.open_chunks:
            return Wait(now + CHECK_AGAIN)
        if run.status == "pausing":
            return Become("paused" if run.pending else "completed")
        return Become("cancelled")
    return None


def _dial(run: RunView, *, now: datetime) -> Step:
    if not (run.pending or run.in_flight or run.open_chunks):
        return Become("completed")
    if run.failing and (run.pending or run.waiting_chunk is not None):
        return Stop("breaker")
    if run.waiting_chunk is not None and run.waiting_until is not None:
        return Resubmit(run.waiting_chunk) if run.waiting_until <= now else Wait(run.waiting_until)
    if run.next_attempt_at is not None and run.next_attempt_at > now:
        return Wait(run.next_attempt_at)
    size = next_size(
        continuous=run.continuous,
        max_concurrent=run.max_concurrent,
        in_flight=run.in_flight,
        pending=run.pending,
        share=run.share,
        room=run.room,
    )
    if size:
        return Submit(size)
    starved = run.pending and not run.in_flight  # all lines of the account are with others
    return Wait(now + CHECK_AGAIN, reason="no_capacity" if starved else "")
