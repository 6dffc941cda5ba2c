"""When a campaign stops itself: its calls keep failing at the provider, and dialling on would only use numbers up.

Pure: how the last calls ended is a short text, kept with the counters and written with them, so that no crash loses it.
"""

from __future__ import annotations

from dataclasses import dataclass

from integrations.calls import Outcome

KEPT = 100  # endings
FAILED, FINE = "x", "."
AT_THE_PROVIDER = (Outcome.ERROR, Outcome.CONGESTION)  # nobody's phone has rung; a busy callee is no failure


@dataclass(frozen=True, kw_only=True)
class Breaker:
    """Stops after so many failures `in_a_row`, or over `percent` of the last `window` endings; 0 switches one off."""

    in_a_row: int
    window: int
    percent: int

    def is_tripped(self, recent: str) -> bool:
        """Whether a run whose calls `recent`ly ended so should stop."""
        if self.in_a_row and recent.endswith(FAILED * self.in_a_row):
            return True
        last = recent[-self.window :]
        return 0 < self.window == len(last) and last.count(FAILED) * 100 > self.percent * self.window


def mark(outcome: str) -> str:
    """An ended call in `recent`."""
    return FAILED if outcome in AT_THE_PROVIDER else FINE


def remember(recent: str, endings: str) -> str:
    """`recent` with more endings, the oldest forgotten."""
    return (recent + endings)[-KEPT:]
