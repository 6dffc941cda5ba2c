"""Outlives `./dev` by a moment: when that is gone, even by `kill -9`, this stops what it had started and cleans up.

Run as a plain script (`python -I -S guard.py`), fed one JSON object a line on standard input:
`{"watch": pid, "stage": n, "signal": s, "grace": seconds}` for a process that leads a group of its own,
`{"forget": pid}` for one that has ended, `{"remove": path}` for a throw-away folder. End of input means that `./dev` is
gone: then the stages are stopped from the lowest up, politely first, and the folders removed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Watched(NamedTuple):
    """A started process and how it is stopped."""

    pid: int
    stage: int
    politely: int  # the signal to ask with
    grace: float  # seconds it may take


def stat_of(pid: str) -> list[str]:
    """State, parent and group of a process, as Linux tells them (proc(5)); empty where there is none."""
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[:3]
    except OSError:
        return []


def is_alive(pid: int) -> bool:
    """Whether a process runs. A dead one that its parent has not yet asked about (a zombie) does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return stat_of(str(pid))[:1] != ["Z"]


def group_is_alive(leader: int) -> bool:
    """Whether any process of the group that `leader` leads runs."""
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    if sys.platform != "linux":
        return True
    group = str(leader)
    stats = (stat_of(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    return any(stat[2] == group and stat[0] != "Z" for stat in stats if stat)


def stop(stage: Sequence[Watched]) -> None:
    """End all of one stage, together: the leaders are asked, the groups of those that take too long are killed."""
    asked_at = time.monotonic()
    for each in stage:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(each.pid, each.politely)
    left = [each for each in stage if group_is_alive(each.pid)]
    while left:
        for each in left:
            # A leader that has ended does not wait for what it left behind.
            if not is_alive(each.pid) or time.monotonic() - asked_at > each.grace:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(each.pid, signal.SIGKILL)
        time.sleep(0.05)
        left = [each for each in left if group_is_alive(each.pid)]


def main() -> None:
    """Listen until the other end is gone, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    watched: dict[int, Watched] = {}
    folders: list[str] = []
    for line in sys.stdin:
        said = json.loads(line)
        if "watch" in said:
            watched[said["watch"]] = Watched(said["watch"], said["stage"], said["signal"], said["grace"])
        elif "forget" in said:
            watched.pop(said["forget"], None)
        else:
            folders.append(said["remove"])
    for stage in sorted({each.stage for each in watched.values()}):
        stop([each for each in watched.values() if each.stage == stage])
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
