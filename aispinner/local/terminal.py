"""How `./dev` looks: a calm list of what is up, one live line for progress, plain lines where nobody watches."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TextIO

GREEN, RED, BOLD, DIM = "32", "31", "1", "2"


class Screen:
    """Writes to a terminal, or plainly to a file or pipe."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self.is_live = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._has_colour = self.is_live and not os.environ.get("NO_COLOR")
        self._live_line = False
        try:
            "✓✗█░·".encode(self._stream.encoding or "utf-8")
            self._marks = ("✓", "✗", "█", "░", " · ")
        except UnicodeEncodeError:
            self._marks = ("ok", "--", "#", ".", ", ")

    def heading(self, text: str) -> None:
        """A line that stands above others."""
        self._line(f"\n{self._paint(BOLD, text)}\n")

    def done(self, what: str, *, seconds: float | None = None, detail: str = "") -> None:
        """`what` is up, or went well."""
        self._step(self._paint(GREEN, self._marks[0]), what, seconds, detail)

    def failed(self, what: str, *, seconds: float | None = None, detail: str = "") -> None:
        """`what` went wrong."""
        self._step(self._paint(RED, self._marks[1]), what, seconds, detail)

    def fact(self, name: str, value: str) -> None:
        """Something to know: a short name and what it is."""
        self._line(f"  {self._paint(DIM, f'{name:<10}')} {value}")

    def note(self, sentence: str) -> None:
        """A sentence."""
        self._line(f"\n  {sentence}\n" if sentence else "")

    def remark(self, sentence: str) -> None:
        """A quiet sentence, beside the rest."""
        self._line(self._paint(DIM, f"  {sentence}"))

    def progress(self, *, part: float, words: list[str]) -> None:
        """A bar, `part` (0..1) of it full, and some words; redrawn in place where somebody watches."""
        text = self._marks[4].join(words)
        if not self.is_live:
            self._line(f"  {part:4.0%}  {text}")
            return
        columns = shutil.get_terminal_size().columns
        width = max(8, min(32, columns - 60))
        text = text[: columns - width - 5]  # a line that wraps cannot be redrawn
        full = round(width * part)
        bar = self._paint(GREEN, self._marks[2] * full) + self._paint(DIM, self._marks[3] * (width - full))
        self._stream.write(f"\r\x1b[2K  {bar}  {text}")
        self._stream.flush()
        self._live_line = True

    def _step(self, mark: str, what: str, seconds: float | None, detail: str) -> None:
        took = "" if seconds is None else f"{seconds:5.1f} s"
        self._line(f"  {mark} {what:<22} {self._paint(DIM, f'{took:>8}')}   {detail}".rstrip())

    def _line(self, text: str) -> None:
        if self._live_line:
            self._stream.write("\n")
            self._live_line = False
        self._stream.write(text + "\n")
        self._stream.flush()

    def _paint(self, colour: str, text: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._has_colour else text
