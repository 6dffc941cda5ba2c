"""`./dev test`: pytest beside a PostgreSQL and a Valkey that are gone afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from aispinner.local.environment import ROOT
from aispinner.local.programs import tie_to_parent
from aispinner.local.services import throwaway_environment


def run_in_foreground(*, argv: Sequence[str], env: Mapping[str, str], cwd: Path | None = None) -> int:
    """Run a command that owns the terminal (Ctrl-C reaches it directly) and ends when we end; its exit code."""
    command = subprocess.Popen(
        argv,
        env=dict(env),
        cwd=cwd,
        preexec_fn=partial(tie_to_parent, parent=os.getpid(), death_signal=int(signal.SIGTERM)),  # noqa: PLW1509
    )
    code = command.wait()
    return 128 - code if code < 0 else code


def run_tests(arguments: Sequence[str]) -> int:
    """Run pytest with `arguments`; its exit code."""
    inside = Path.cwd().is_relative_to(ROOT)
    with throwaway_environment() as (_supervisor, env):
        return run_in_foreground(argv=[sys.executable, "-m", "pytest", *arguments], env=env, cwd=None if inside else ROOT)
