"""Recordings of a bridge (both sides mixed) or of a channel (what it says)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from integrations.simulating import wav

from . import sounds

_FORMATS = {"wav": 8000, "wav16": 16000, "sln": 8000, "sln16": 16000}


def rate_of(form: str) -> int | None:
    """Samples a second of a file format; None where this PBX does not write it."""
    return _FORMATS.get(form)


@dataclass
class Recording:
    """A live or a stored one."""

    name: str
    format: str
    target: str
    state: str = "recording"
    pcm: bytearray = field(default_factory=bytearray)

    @property
    def rate(self) -> int:
        return _FORMATS[self.format]

    def hear(self, frame: bytes, rate: int) -> None:
        if self.state == "recording":
            self.pcm += sounds.at_rate(frame, rate, self.rate)

    @property
    def secs(self) -> int:
        return len(self.pcm) // (2 * self.rate)

    def live(self) -> dict[str, Any]:
        shown = {"name": self.name, "format": self.format, "state": self.state, "target_uri": self.target}
        return {**shown, "duration": self.secs} if self.state == "done" else shown

    def stored(self) -> dict[str, Any]:
        return {"name": self.name, "format": self.format}

    def file(self) -> bytes:
        return wav(bytes(self.pcm), rate=self.rate) if self.format.startswith("wav") else bytes(self.pcm)
