"""The ledger: one entry per INVITE that left, whoever hears of it; mirrored line by line into a file."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson


@dataclass
class Dial:
    """One dial placed; the rest is filled in as it goes on. Times are seconds since the epoch."""

    seq: int
    number: str
    trunk: str
    channel_id: str
    caller_id: str
    app: str
    placed_at: float
    ringing_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    outcome: str | None = None
    cause: int | None = None
    tech_cause: int | None = None


class Ledger:
    """Append-only."""

    def __init__(self, path: Path | None) -> None:
        self.dials: list[Dial] = []
        self._path = path
        self._file: IO[bytes] | None = None

    def place(self, **details: Any) -> Dial:
        dial = Dial(seq=len(self.dials) + 1, placed_at=time.time(), **details)
        self.dials.append(dial)
        self._write({"event": "placed", **vars(dial)})
        return dial

    def end(self, dial: Dial, *, outcome: str, cause: int, tech_cause: int | None) -> None:
        """Only the first end counts."""
        if dial.ended_at is None:
            dial.ended_at, dial.outcome, dial.cause, dial.tech_cause = time.time(), outcome, cause, tech_cause
            self._write({"event": "ended", **vars(dial)})

    def note(self, event: str) -> None:
        """A line of its own in the file, e.g. a reset."""
        self._write({"event": event, "at": time.time()})

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, line: dict[str, Any]) -> None:
        if self._path is None:
            return
        if self._file is None:
            self._file = self._path.open("ab", buffering=0)
        self._file.write(orjson.dumps(line) + b"\n")
