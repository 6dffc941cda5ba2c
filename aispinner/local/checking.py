"""`./dev check`: everything that can be said about the code without running it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from aispinner.local.environment import ROOT, new_secrets
from aispinner.local.services import throwaway_environment
from aispinner.local.terminal import Screen

CODE = ("dev", "manage.py", "aispinner", "integrations", "agents", "telephony", "tests")
LIKE_PRODUCTION = {
    "DEBUG": "false",
    "ALLOWED_HOSTS": "calls.example.org",
    "CSRF_TRUSTED_ORIGINS": "https://calls.example.org",
    "PUBLIC_URL": "https://calls.example.org",
    "ELEVENLABS_BASE_URL": "https://api.elevenlabs.io",
    "LOG_FORMAT": "json",
    "BEHIND_PROXY": "true",
}


def steps() -> list[tuple[str, list[str], Mapping[str, str]]]:
    """What is checked: name, command, environment on top."""
    tools = Path(sys.executable).parent
    ruff, manage = str(tools / "ruff"), [sys.executable, "manage.py"]
    production = {**LIKE_PRODUCTION, **new_secrets()}
    return [
        ("ruff check", [ruff, "check", "--quiet", ".", "dev"], {}),
        ("ruff format", [ruff, "format", "--check", "--quiet", ".", "dev"], {}),
        ("mypy --strict", [sys.executable, "-m", "mypy", "--strict", *CODE], {}),
        ("import-linter", [str(tools / "lint-imports"), "--no-cache"], {}),
        ("migrations", [*manage, "makemigrations", "--check", "--dry-run"], {}),
        ("Django", [*manage, "check", "--fail-level", "WARNING"], {}),
        ("Django, as deployed", [*manage, "check", "--deploy", "--fail-level", "WARNING"], production),
    ]


def run_checks() -> int:
    """Run every step, say how each went, show what the failing ones wrote; 1 where any failed."""
    screen = Screen()
    failed: list[str] = []
    with throwaway_environment() as (supervisor, env):
        for name, argv, on_top in steps():
            if supervisor.stop_requested:
                return 130
            started = time.monotonic()
            whole = {**os.environ, **env, **on_top}
            done = subprocess.run(argv, cwd=ROOT, env=whole, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                screen.done(name, seconds=time.monotonic() - started)
                continue
            failed.append(name)
            screen.failed(name, seconds=time.monotonic() - started)
            print((done.stdout + done.stderr).rstrip(), end="\n\n", flush=True)
    screen.note(f"Failed: {', '.join(failed)}." if failed else "All well.")
    return 1 if failed else 0
