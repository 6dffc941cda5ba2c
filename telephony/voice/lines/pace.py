"""Calls per second of a trunk, as arithmetic on a clock that is passed in."""

from __future__ import annotations

from dataclasses import dataclass

TICK = 0.1  # seconds; a fast trunk gets so much of its rate at a time


@dataclass
class Pace:
    """Never more than `rate` a second over any second or more; what was not used is not saved up."""

    rate: float
    next_at: float = 0.0

    def free(self, now: float) -> int:
        """How many calls may be placed now."""
        return max(1, int(self.rate * TICK)) if now >= self.next_at else 0

    def use(self, count: int, now: float) -> None:
        """So many are being placed now."""
        if count:
            self.next_at = max(self.next_at, now) + count / self.rate
