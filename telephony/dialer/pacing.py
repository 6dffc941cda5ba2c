"""How much and when, as pure arithmetic: fair shares of an account's lines, polling and back-off intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush

POLL_FIRST = timedelta(seconds=1)
POLL_SLOWEST = timedelta(seconds=15)
GROWS_BACK_IN = timedelta(minutes=2)  # from nothing to all of an account's lines
BACKOFF_FIRST = timedelta(seconds=1)
BACKOFF_SLOWEST = timedelta(seconds=60)


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What one run wants of its account's lines: `wanted` in all, of which `in_flight` are busy."""

    run_id: int
    wanted: int
    in_flight: int
    last_served: datetime


def shares(*, limit: int, demands: Sequence[Demand]) -> Mapping[int, int]:
    """Lines of each run. A busy line stays with its run until its call ends; nobody gets more than it wants.

    A free line goes to the run that has the fewest, among equals to the one that was served longest ago. So
    whoever looks first takes no line that is another's, and with more runs than lines each has its turn.
    """
    given = {demand.run_id: demand.in_flight for demand in demands}
    hungry = [(each.in_flight, each.last_served, each.run_id, each.wanted) for each in demands]
    hungry = [entry for entry in hungry if entry[0] < entry[-1]]
    heapify(hungry)
    for _ in range(limit - sum(given.values())):
        if not hungry:
            break
        lines, served, run_id, wanted = heappop(hungry)
        given[run_id] = lines + 1
        if lines + 1 < wanted:
            heappush(hungry, (lines + 1, served, run_id, wanted))
    return given


def next_size(*, continuous: bool, max_concurrent: int, in_flight: int, pending: int, share: int, room: int) -> int:
    """How many numbers to submit now: free lines of the run, its fair share, the account's room, what is pending.

    Chunk after chunk waits until all the run's lines are free; continuous fills each line as it comes free.
    """
    if in_flight and not continuous:
        return 0
    return max(0, min(max_concurrent - in_flight, share - in_flight, room, pending))


def room_learned(*, limit: int, learned: int, quiet_for: timedelta) -> int:
    """Lines of an account that said that it had no more than `learned`: so many until it has been `quiet_for` some
    time (negative: not yet), then more and more, until it has all of its `limit` again.
    """
    grown = max(0, int(limit * (quiet_for / GROWS_BACK_IN)))
    return min(limit, learned + grown)


def poll_delay(polls: int) -> timedelta:
    """How long until a chunk is asked about again: sooner at first, then slower."""
    return min(POLL_FIRST * 1.5 ** min(polls, 20), POLL_SLOWEST)


def backoff(*, attempts: int, asked: timedelta | None, chance: float) -> timedelta:
    """How long to wait after so many refusals: exponential with ±20 % (`chance` in 0..1), never less than asked."""
    wait = min(BACKOFF_FIRST * 2.0 ** min(attempts, 10), BACKOFF_SLOWEST) * (0.8 + 0.4 * chance)
    return max(wait, asked or timedelta())
