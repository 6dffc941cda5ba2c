"""What happened, a line each, so that a simulator that was killed goes on where it was, as the real provider would.

The last entry of a thing says how it is now. What belongs together is one line, written in one piece before anybody is
told: a line that a kill has cut is the end of the file, and nobody heard of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import orjson

Json = dict[str, Any]
Entry = tuple[str, str, Any]  # kind, id, how it is now; None: it is no more


class Diary:
    """Entries in a file; without a `path`, nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    @property
    def is_kept(self) -> bool:
        return self._path is not None

    def write(self, *entries: Entry) -> None:
        """Keep these together, or none of them."""
        if self._path is None or not entries:
            return
        if self._file is None:
            self._path.touch(mode=0o600)
            self._file = self._path.open("ab", buffering=0)
        self._file.write(orjson.dumps(entries) + b"\n")

    def read(self) -> dict[str, dict[str, Any]]:
        """How everything is now, by kind and id, in the order in which things came to be; the file is put in order."""
        things: dict[str, dict[str, Any]] = {}
        if self._path is None or not self._path.exists():
            return things
        for kind, id_, value in self._entries(self._path.read_bytes()):
            if value is None:
                things.get(kind, {}).pop(id_, None)
            else:
                things.setdefault(kind, {})[id_] = value
        self.close()
        fresh = self._path.with_suffix(".sorted")
        fresh.touch(mode=0o600)
        with fresh.open("wb") as file:
            for kind, ones in things.items():
                file.writelines(orjson.dumps([[kind, id_, value]]) + b"\n" for id_, value in ones.items())
        fresh.replace(self._path)
        return things

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def forget(self) -> None:
        """The world starts again."""
        self.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    @staticmethod
    def _entries(content: bytes) -> Iterable[Entry]:
        for line in content.split(b"\n")[:-1]:  # after the last end of line: nothing, or what a kill has cut
            yield from orjson.loads(line)
