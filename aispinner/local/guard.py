"""Outlives `./dev` by a moment: when that is gone, even by `kill -9`, this stops what it had started and cleans up.

Run as a plain script (`python -I -S guard.py`), fed one JSON object a line on standard input:
`{"watch": pid, "stage": n, "signal": s}` for a started process that leads a group of its own, `{"forget": pid}` for one
that has ended, `{"remove": path}` for a throw-away folder. End of input means that `./dev` is gone: then the stages
are stopped from the lowest up, politely first, and the folders removed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import time

GRACE = 8.0  # seconds that a stage may take before it is killed


def alive(pid: int) -> bool:
    """Whether any process of the group that `pid` leads is left."""
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def stop(watched: dict[int, int]) -> None:
    """End the groups led by the keys of `watched`, whose leaders get the signals that are its values."""
    for pid, politely in watched.items():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, politely)
    deadline = time.monotonic() + GRACE
    while any(alive(pid) for pid in watched) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in watched:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def main() -> None:
    """Listen until the other end is gone, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    watched: dict[int, tuple[int, int]] = {}
    folders: list[str] = []
    for line in sys.stdin:
        message = json.loads(line)
        if "watch" in message:
            watched[message["watch"]] = (message["stage"], message["signal"])
        elif "forget" in message:
            watched.pop(message["forget"], None)
        else:
            folders.append(message["remove"])
    for stage in sorted({stage for stage, _ in watched.values()}):
        stop({pid: politely for pid, (of, politely) in watched.items() if of == stage})
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
