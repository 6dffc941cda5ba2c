"""`./dev test`: pytest beside a PostgreSQL and a Valkey that are gone afterwards."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from aispinner.local.environment import ROOT
from aispinner.local.services import throwaway_environment


def run_tests(arguments: Sequence[str]) -> int:
    """Run pytest with `arguments`; its exit code."""
    inside = Path.cwd().is_relative_to(ROOT)
    with throwaway_environment() as (supervisor, env):
        pytest = [sys.executable, "-m", "pytest", *arguments]
        return supervisor.run_in_foreground(argv=pytest, env=env, cwd=None if inside else ROOT)
