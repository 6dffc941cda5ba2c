"""Hearing by loudness: who speaks long enough has begun to speak, who is quiet long enough has finished."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Literal

from .sounds import Format

FRAME_MS = 20
LOUD = 250  # mean of the samples' absolute values; speech lies in the thousands, a quiet line below a hundred
BEGINS_AFTER_MS = 120
_BREATH_MS = 200  # a shorter pause does not start the count anew


@dataclass(frozen=True)
class Heard:
    """Somebody began or finished. `at_ms` is the place in the audio received, `spoke_ms` how long it was loud."""

    what: Literal["began", "finished"]
    at_ms: int
    spoke_ms: int


class Ear:
    """Follows one side's audio. Time is counted in samples, so a late chunk changes nothing."""

    def __init__(self, form: Format, *, silence_ms: int) -> None:
        self._form = form
        self._silence_ms = silence_ms
        self._rest = array("h")
        self._frame = form.rate * FRAME_MS // 1000
        self._loud_ms = 0
        self._quiet_ms = 0
        self.at_ms = 0
        self.hears_speech = False

    def take(self, samples: array[int]) -> list[Heard]:
        """What became clear with these samples."""
        self._rest.extend(samples)
        found: list[Heard] = []
        start = 0
        while start + self._frame <= len(self._rest):
            frame = self._rest[start : start + self._frame]
            start += self._frame
            heard = self._follow(sum(map(abs, frame)) / self._frame > LOUD)
            found += [heard] if heard else []
        del self._rest[:start]
        return found

    def hush(self) -> Heard | None:
        """Nothing comes any more: who was speaking has finished."""
        return self._finished() if self.hears_speech else None

    def _follow(self, loud: bool) -> Heard | None:
        self.at_ms += FRAME_MS
        if loud:
            self._loud_ms += FRAME_MS
            self._quiet_ms = 0
            if not self.hears_speech and self._loud_ms >= BEGINS_AFTER_MS:
                self.hears_speech = True
                return Heard("began", self.at_ms, self._loud_ms)
            return None
        self._quiet_ms += FRAME_MS
        if self.hears_speech:
            return self._finished() if self._quiet_ms >= self._silence_ms else None
        if self._quiet_ms >= _BREATH_MS:
            self._loud_ms = 0
        return None

    def _finished(self) -> Heard:
        heard = Heard("finished", self.at_ms, self._loud_ms)
        self.hears_speech = False
        self._loud_ms = self._quiet_ms = 0
        return heard
