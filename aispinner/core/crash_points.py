"""Places where a process can be made to die, so that it can be proven that dying there costs nothing.

Off unless AISPINNER_CRASH_POINTS names a folder, which the settings refuse where the provider is a real one. There, the
file `armed/<point>` makes whoever reaches that point first take the file away, write a line into `fired` and end itself
by SIGKILL: no handler, no `finally`, no rollback of its own. The file is gone then, so each arming fires once. Where it
says SIGSTOP, the process is frozen instead, for as long as somebody likes: a machine that stalls, and then goes on.
"""

from __future__ import annotations

import os
import signal
import time
from enum import StrEnum
from pathlib import Path

from django.conf import settings


class Point(StrEnum):
    """Between every two steps of the engine. Those "before the commit" die with their transaction open."""

    RUN_STARTED = "run_started"  # its rows are there, its bell has not been rung
    BELL_MARKED = "bell_marked"  # the key that keeps a second ring out is set, the task is not sent
    BELL_ANSWERED = "bell_answered"  # the task is off the broker and nothing has been looked at
    COMMITTED = "committed"  # a change is in the database, and neither a bell nor a browser has heard
    SWEPT = "swept"  # before the commit: rows put off by the sweep
    COUNTED = "counted"  # before the commit: a new chunk, its calls and counters written
    CLAIMED = "claimed"  # the intent is written, nothing prepared
    PREPARED = "prepared"  # the provider has the caller's number; the last look is to come
    SUBMIT_SENT = "submit_sent"  # the last look is done, the request goes out next
    SUBMIT_ACCEPTED = "submit_accepted"  # the provider's answer has arrived, nothing is recorded
    SUBMIT_FAILED = "submit_failed"  # its refusal or silence is known, nothing is recorded
    RECORDED = "recorded"
    SHRUNK = "shrunk"  # half of a refused chunk is given back, the chunk itself not kept for later yet
    DISSOLVING = "dissolving"  # before the commit: numbers given back, the run's counters not written
    LOOKED_UP = "looked_up"  # the provider has told what became of a submission
    ENDS_HEARD = "ends_heard"  # the provider has told which conversations are over, nothing is written
    POLLED = "polled"  # the provider has told how far the calls are
    WEBHOOK_STORED = "webhook_stored"  # before its bell, and before the provider hears that it is stored
    RECEIPTS_TAKEN = "receipts_taken"  # before the commit: receipts locked, nothing applied
    COUNTERS_WRITTEN = "counters_written"  # before the commit: calls, counters and events of reports written
    RECEIPTS_APPLIED = "receipts_applied"  # before the commit: receipts marked as applied, too
    CLOSING = "closing"  # a chunk's calls are settled, the chunk is still open
    PAUSE_LOCKED = "pause_locked"  # nothing is on the wire, the run's status is still `running`
    PAUSED = "paused"  # written, not answered
    TAKEN_BACK = "taken_back"  # the provider has cancelled the rest of a batch, we have not noted it
    CANCEL_LOCKED = "cancel_locked"
    CANCELLED = "cancelled"
    RESUMED = "resumed"
    RESTING = "resting"  # before the commit: a run reaches its resting state


def reach(point: Point) -> None:
    """Say that this point has been reached: nothing happens, unless it is armed."""
    if settings.CRASH_POINTS is not None:
        _die_if_armed(settings.CRASH_POINTS, point)


def _die_if_armed(folder: Path, point: Point) -> None:
    taken = folder / f"{point}.{os.getpid()}"
    try:
        (folder / "armed" / point).rename(taken)
    except FileNotFoundError:
        return
    how = signal.Signals[taken.read_text() or "SIGKILL"]
    taken.unlink()
    with (folder / "fired").open("ab", buffering=0) as evidence:
        evidence.write(f"{point} {how.name} {os.getpid()} {time.time():.3f}\n".encode())
    os.kill(os.getpid(), how)
