"""The simulator starts from the command line, with Django and without, and ends when told to."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.simulator.helpers import Json, eventually

ROOT = Path(__file__).resolve().parents[2]
BY_MODULE = ["-m", "integrations.elevenlabs.simulator"]
BY_DJANGO = ["manage.py", "elevenlabs_simulator"]


def state_of(url: str) -> Json | None:
    """What the simulator at `url` says of itself; None while it does not listen yet."""
    try:
        state: Json = httpx.get(f"{url}/_sim/state", verify=False).json()
    except httpx.ConnectError:
        return None
    return state


@pytest.mark.parametrize("command", [BY_MODULE, BY_DJANGO], ids=["module", "django"])
def test_it_serves_until_it_is_told_to_stop(command: list[str], free_port: int) -> None:
    options = ["--port", str(free_port), "--speed", "600", "--seed", "7", "--concurrency", "12"]
    with subprocess.Popen([sys.executable, *command, *options], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = re.search(r"http://[\d.:]+", process.stdout.readline())
            assert address is not None
            state = eventually(lambda: state_of(address.group()))
            assert (state["seed"], state["speed"], state["limit"]) == (7, 600.0, 12)
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) in (0, -signal.SIGTERM)


def test_a_speed_that_makes_no_sense_is_refused_in_a_sentence() -> None:
    command = [sys.executable, *BY_MODULE, "--speed", "0"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "speed must be above 0" in ended.stderr
    assert "Traceback" not in ended.stderr
