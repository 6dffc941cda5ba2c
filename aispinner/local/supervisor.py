"""Starts programs and waits until they are ready, restarts what dies with back-off, and stops all in order.

One thread only: on Linux a child may be tied to the end of the *thread* that forked it, and a fork beside other threads
can deadlock. Waiting is done on a pipe that signals write to, so a dead child or a Ctrl-C is noticed at once.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import FrameType

from aispinner.local.errors import CannotRunError, StoppedError
from aispinner.local.programs import Child, Guard, Program, Stage, last_lines, tie_to_parent

BACK_OFF = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)  # seconds before the first, second, … restart in a row
STEADY = 30.0  # seconds after which a restart is forgotten
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def back_off(*, failures: int, pauses: Sequence[float] = BACK_OFF) -> float:
    """Seconds to wait before restarting what has died `failures` times in a row (1 or more)."""
    return pauses[min(failures, len(pauses)) - 1]


class Supervisor:
    """The parent of everything that `./dev` runs."""

    def __init__(
        self,
        *,
        guard: Guard,
        tell: Callable[[str], None] = lambda _sentence: None,
        pauses: Sequence[float] = BACK_OFF,
    ) -> None:
        """`tell` is given a sentence when something died or came back; `pauses` are those before it does."""
        self.stop_signal: int | None = None  # the first one that reached us
        self.guard = guard
        self._tell = tell
        self._pauses = pauses
        self._children: list[Child] = []
        self._failures: dict[str, int] = {}
        self._restarts: dict[str, tuple[float, Program]] = {}
        self._away_until: dict[str, float] = {}
        self._wake_reader, self._wake_writer = os.pipe()
        for end in (self._wake_reader, self._wake_writer):
            os.set_blocking(end, False)

    @property
    def stop_requested(self) -> bool:
        """Whether we were asked to stop."""
        return self.stop_signal is not None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Within it, SIGINT, SIGTERM and SIGHUP ask us to stop (a second one stops hard); at its end all is stopped."""
        # SIGCHLD needs a handler only so that it reaches the pipe.
        before = {number: signal.signal(number, self._on_stop_signal) for number in STOP_SIGNALS}
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        previous_pipe = signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        try:
            yield
        finally:
            self.stop()
            signal.set_wakeup_fd(previous_pipe)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(self._wake_reader)
            os.close(self._wake_writer)

    def start(self, program: Program) -> Child:
        """Run `program` and keep it running; does not wait until it is ready."""
        child = Child(program=program, guard=self.guard)
        self._children.append(child)
        return child

    def named(self, name: str) -> Child | None:
        """The program of that name, where it runs now."""
        return next((child for child in self._children if child.program.name == name), None)

    def keep_away(self, name: str, *, seconds: float) -> None:
        """The program of that name, once it has ended, is not started again before so many seconds are over."""
        self._away_until[name] = time.monotonic() + seconds

    def wait_ready(self, *children: Child, timeout: float = 60.0, every: float = 0.02) -> Iterator[tuple[Child, float]]:
        """Each child as it gets ready, with the seconds it took. CannotRunError where one ends or takes too long."""
        waiting = list(children)
        while waiting:
            for child in list(waiting):
                took = time.monotonic() - child.started_at
                if (code := child.exit_code()) is not None:
                    raise CannotRunError(self._obituary(child, f"ended with code {code} before it was ready"))
                if child.is_ready():
                    waiting.remove(child)
                    yield child, took
                elif took > timeout:
                    raise CannotRunError(self._obituary(child, f"was not ready after {timeout:.0f} s"))
            if waiting:
                self._sleep(every)
                self._stop_if_asked()

    def run_to_end(self, program: Program) -> float:
        """Run `program` once; the seconds it took. CannotRunError where it fails."""
        child = self.start(program)
        while (code := child.exit_code()) is None:
            self._sleep(0.5)
            self._stop_if_asked()
        self._children.remove(child)
        child.bury()
        if code != 0:
            raise CannotRunError(self._obituary(child, f"failed with code {code}"))
        return time.monotonic() - child.started_at

    def run_in_foreground(self, *, argv: Sequence[str], env: Mapping[str, str], cwd: Path | None = None) -> int:
        """Run a command that owns the terminal, Ctrl-C included, and that ends when we end; its exit code."""
        on_interrupt = signal.signal(signal.SIGINT, lambda _number, _frame: None)  # the terminal tells the command too
        tie = partial(tie_to_parent, parent=os.getpid(), death_signal=int(signal.SIGTERM))
        command = subprocess.Popen(list(argv), env={**os.environ, **env}, cwd=cwd, preexec_fn=tie)  # noqa: PLW1509
        try:
            while (code := command.poll()) is None:
                self._sleep(1.0)
                if self.stop_requested:
                    command.terminate()
        finally:
            signal.signal(signal.SIGINT, on_interrupt)
        return 128 - code if code < 0 else code

    def wait(self, *, seconds: float) -> bool:
        """Look after the children for `seconds`; False, at once, when we were asked to stop."""
        deadline = time.monotonic() + seconds
        while not self.stop_requested:
            self._revive(now=time.monotonic())
            left = deadline - time.monotonic()
            if left <= 0:
                return True
            next_restart = min((at for at, _ in self._restarts.values()), default=deadline) - time.monotonic()
            self._sleep(max(0.0, min(left, next_restart)))
        return False

    def stop(self) -> None:
        """Stop everything: producers first and together, the database last."""
        self._restarts.clear()
        for stage in Stage:
            self._stop_these([child for child in self._children if child.program.stage is stage])
        self._children.clear()

    def _stop_these(self, children: Sequence[Child]) -> None:
        for child in children:
            child.ask_to_stop()
        asked_at = time.monotonic()
        while left := [child for child in children if child.exit_code() is None]:
            for child in left:
                if time.monotonic() - asked_at > child.program.grace:
                    child.kill_group()
            self._sleep(0.05)
        for child in children:
            child.bury()

    def _revive(self, *, now: float) -> None:
        """Bury what died and restart what has waited long enough."""
        for child in [child for child in self._children if child.exit_code() is not None]:
            self._children.remove(child)
            code = child.bury()
            name = child.program.name
            steady = now - child.started_at > STEADY
            self._failures[name] = 1 if steady else self._failures.get(name, 0) + 1
            pause = back_off(failures=self._failures[name], pauses=self._pauses)
            self._restarts[name] = (max(now + pause, self._away_until.pop(name, now)), child.program)
            self._tell(
                f"{name} ended with code {code}; starting it again in {pause:g} s (its log: {child.program.log})"
            )
        for name, (at, program) in list(self._restarts.items()):
            if at <= now:
                del self._restarts[name]
                self.start(program)
                self._tell(f"{name} started again")

    def _sleep(self, seconds: float) -> None:
        """Wait, but not past a signal."""
        if select.select([self._wake_reader], [], [], seconds)[0]:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_reader, 4096)

    def _stop_if_asked(self) -> None:
        if self.stop_requested:
            raise StoppedError

    def _on_stop_signal(self, number: int, frame: FrameType | None) -> None:
        if self.stop_requested:
            for child in self._children:
                child.kill_group()
        self.stop_signal = self.stop_signal or number

    def _obituary(self, child: Child, what: str) -> str:
        log = child.program.log
        return f"{child.program.name} {what}. The end of {log}:\n\n{last_lines(log)}"
