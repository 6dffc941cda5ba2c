"""What every leg offers, whatever carries its sound: 16-bit little-endian mono PCM at `rate`, both ways."""

from __future__ import annotations

from typing import Protocol

from telephony.voice.speech import Speech

FRAME_SECS = 0.02


class LegGoneError(Exception):
    """The far end is no longer there. `reason` is `caller_left`, or `no_media` where it never came."""

    def __init__(self, reason: str = "caller_left") -> None:
        super().__init__(reason)
        self.reason = reason


class Leg(Protocol):
    """One person's line. Every method may raise LegGoneError."""

    rate: int  # samples a second; known once it is open
    ahead: float  # seconds of speech that may have been handed over and not be heard yet

    async def open(self) -> None:
        """Return when sound flows."""

    async def heard(self) -> bytes:
        """The next piece of what the person says."""

    async def play(self, speech: Speech) -> None:
        """Play `speech` for ever, in real time, and silence where there is none."""

    async def hush(self) -> None:
        """Have the far side drop what was handed over and is not played yet."""

    async def close(self) -> None:
        """Hang up; also where nothing was opened, and twice."""


def frame_bytes(rate: int, secs: float = FRAME_SECS) -> int:
    """How many bytes `secs` of a leg's sound are."""
    return 2 * round(rate * secs)
