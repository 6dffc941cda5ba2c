"""`./dev test`: pytest beside a PostgreSQL and a Valkey that are gone afterwards."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from aispinner.local.environment import ROOT
from aispinner.local.services import throwaway_environment

# tests/conftest.py says what stays together, and what begins first (xdist would: whatever has the most tests).
# Three on two cores: a quarter of the time, tests wait for the processes that they have started.
SIDE_BY_SIDE = ("--numprocesses", "3", "--dist", "loadscope", "--no-loadscope-reorder")


def run_tests(arguments: Sequence[str]) -> int:
    """Run pytest with `arguments`; its exit code. Those that are not named run side by side."""
    inside = Path.cwd().is_relative_to(ROOT)
    named = any(Path(argument.split("::")[0]).exists() for argument in arguments)
    with throwaway_environment() as (supervisor, env):
        pytest = [sys.executable, "-m", "pytest", *(() if named else SIDE_BY_SIDE), *arguments]
        return supervisor.run_in_foreground(argv=pytest, env=env, cwd=None if inside else ROOT)
