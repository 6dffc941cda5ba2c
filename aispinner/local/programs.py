"""A program that `./dev` runs as a child: how it is started, known to be ready, and stopped."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class Stage(IntEnum):
    """The order of stopping: what makes work first, what keeps it last."""

    PRODUCER = 0
    BROKER = 1
    DATABASE = 2


@dataclass(frozen=True, kw_only=True)
class User:
    """Whom a program runs as, when not as us."""

    uid: int
    gid: int


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run and how to treat it."""

    name: str
    argv: Sequence[str]
    log: Path
    env: Mapping[str, str] | None = None
    cwd: Path = Path("/")
    ready: Callable[[int], bool] = lambda _pid: True  # given the process id; asked again and again
    stage: Stage = Stage.PRODUCER
    stop_signal: signal.Signals = signal.SIGTERM
    grace: float = 6.0  # seconds from the stop signal to SIGKILL
    run_as: User | None = None


def tie_to_parent(*, parent: int, death_signal: int) -> None:
    """In a forked child on Linux: be sent `death_signal` when the thread that forked us ends, however it ends."""
    if _libc is None:
        return
    _libc.prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:  # it ended before we asked
        os._exit(1)


class Guard:
    """Our end of the pipe to `guard.py`, which cleans up after us when we cannot."""

    def __init__(self, *, keep_open: Sequence[int] = ()) -> None:
        """Start it; it shares the descriptors `keep_open`, so that a lock outlives us until everything is gone."""
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("guard.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
            pass_fds=keep_open,
            text=True,
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def watch(self, *, pid: int, program: Program) -> None:
        """Have it stop `program`, running as `pid`, should we be killed."""
        self._tell(watch=pid, stage=int(program.stage), signal=int(program.stop_signal), grace=program.grace)

    def forget(self, *, pid: int) -> None:
        """The process has ended: its number may soon be somebody else's."""
        self._tell(forget=pid)

    def remove(self, *, folder: Path) -> None:
        """Have it remove `folder` when we are gone, in whatever way."""
        self._tell(remove=str(folder))

    def close(self) -> None:
        """Let it clean up, and wait until it has."""
        pipe = self._pipe()
        with contextlib.suppress(BrokenPipeError):
            pipe.close()
        self._process.wait()

    def _tell(self, **message: float | str) -> None:
        pipe = self._pipe()
        with contextlib.suppress(BrokenPipeError):  # somebody killed it; the parent-death signals remain
            pipe.write(json.dumps(message) + "\n")
            pipe.flush()

    def _pipe(self) -> IO[str]:
        if self._process.stdin is None:
            raise RuntimeError("the guard was started without a pipe")
        return self._process.stdin


class Child:
    """One running instance of a program."""

    def __init__(self, *, program: Program, guard: Guard) -> None:
        self.program = program
        self.started_at = time.monotonic()
        self._guard = guard
        as_user = program.run_as
        with program.log.open("ab") as log:
            self._process = subprocess.Popen(
                list(program.argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=None if program.env is None else dict(program.env),
                cwd=program.cwd,
                start_new_session=True,
                # Safe here: we run no second thread (and fork from the one whose end the child must notice).
                preexec_fn=partial(tie_to_parent, parent=os.getpid(), death_signal=int(program.stop_signal)),  # noqa: PLW1509
                user=None if as_user is None else as_user.uid,
                group=None if as_user is None else as_user.gid,
                extra_groups=None if as_user is None else (),
            )
        guard.watch(pid=self.pid, program=program)

    @property
    def pid(self) -> int:
        """The process id, which is its group's too."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """How it ended (negative: by which signal); None while it runs."""
        return self._process.poll()

    def is_ready(self) -> bool:
        """Whether it does its work by now."""
        return self.program.ready(self.pid)

    def ask_to_stop(self) -> None:
        """Send the polite signal to the leader, which stops its own children."""
        if self._process.poll() is None:
            self._process.send_signal(self.program.stop_signal)

    def kill_group(self) -> None:
        """End whatever is left of its group, at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def bury(self) -> int:
        """After it ended (or is about to): remove its leftovers and give its exit code."""
        self.kill_group()
        code = self._process.wait()
        self._guard.forget(pid=self.pid)
        return code


def last_lines(path: Path, *, count: int = 15) -> str:
    """The end of a log, indented; a remark where there is none."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - 16_384))
            lines = log.read().decode(errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        lines = []
    return "\n".join(f"    {line}" for line in lines) or "    (it wrote nothing)"
