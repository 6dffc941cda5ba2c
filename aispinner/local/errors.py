"""The one error of `./dev`: a sentence for the person at the terminal."""

from __future__ import annotations


class CannotRunError(Exception):
    """Something is missing or in the way; the message says what, and what to do about it. Shown without a traceback."""


class StoppedError(Exception):
    """Somebody asked us to stop (Ctrl-C, SIGTERM) while we were waiting for something."""
