"""`./dev test`: pytest beside a PostgreSQL and a Valkey that are gone afterwards."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from aispinner.local.environment import ROOT
from aispinner.local.services import throwaway_environment

# tests/conftest.py says what stays together, and what begins first (xdist would: whatever has the most tests).
SIDE_BY_SIDE = ("--numprocesses", "2", "--dist", "loadscope", "--no-loadscope-reorder")


def run_tests(arguments: Sequence[str]) -> int:
    """Run pytest with `arguments`; its exit code. Tests that are not named run on two cores."""
    inside = Path.cwd().is_relative_to(ROOT)
    named = any(Path(argument.split("::")[0]).exists() for argument in arguments)
    with throwaway_environment() as (supervisor, env):
        pytest = [sys.executable, "-m", "pytest", *(() if named else SIDE_BY_SIDE), *arguments]
        return supervisor.run_in_foreground(argv=pytest, env=env, cwd=None if inside else ROOT)
