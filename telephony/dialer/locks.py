"""The lock of a run, held over network requests: whoever has it, and only who has it, may submit for the run."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import timedelta

from aispinner.core.locks import named_lock

BRIEFLY = timedelta(seconds=2)  # who holds the lock for longer is on the wire


def run_lock(run_id: int, *, wait: timedelta) -> AbstractContextManager[bool]:
    """Yields False where another held it for all of `wait`. It is lost only with the database connection."""
    return named_lock(f"run:{run_id}", wait=wait)
