"""`./dev bench`: what was promised of speed, beside a PostgreSQL and a Valkey that are gone afterwards."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from aispinner.local.environment import ROOT
from aispinner.local.services import throwaway_environment


def run_bench(arguments: Sequence[str]) -> int:
    """Measure what is named, or everything; 1 where a promise was not kept."""
    with throwaway_environment() as (supervisor, env):
        argv = [sys.executable, "-m", "tests.bench", *arguments]
        return supervisor.run_in_foreground(argv=argv, env={**env, "LOG_LEVEL": "ERROR"}, cwd=ROOT)
