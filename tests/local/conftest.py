"""A supervisor with toy programs, and ways to see what is left of them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aispinner.local.environment import ROOT, outer_environment
from aispinner.local.programs import Guard
from aispinner.local.state import State
from aispinner.local.supervisor import Supervisor


def eventually(condition: Callable[[], bool], *, seconds: float = 10.0) -> bool:
    """Whether `condition` comes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


@pytest.fixture
def guard() -> Iterator[Guard]:
    """A guard that cleans up when the test ends."""
    guard = Guard()
    yield guard
    guard.close()


@pytest.fixture
def supervisor(guard: Guard) -> Iterator[Supervisor]:
    """One that listens to signals and stops everything when the test ends."""
    supervisor = Supervisor(guard=guard)
    with supervisor.listening():
        yield supervisor


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    """A state folder of its own."""
    with State(tmp_path / "state") as state:
        yield state


Script = Callable[[str], subprocess.Popen[str]]


@pytest.fixture
def parent() -> Iterator[Script]:
    """Runs Python source in a process of its own, which the test may kill; its standard output can be read."""
    started: list[subprocess.Popen[str]] = []

    def run(source: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-c", source]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=outer_environment())
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
