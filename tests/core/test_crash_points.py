"""Crash points do nothing unless they are armed, fire once, leave evidence, and are refused beside a real provider."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.exceptions import ImproperlyConfigured

from aispinner.core.crash_points import Point, reach
from aispinner.env import crash_points, is_loopback

REACHES = (
    "import os; from django.conf import settings; from pathlib import Path\n"
    "settings.configure(CRASH_POINTS=Path(os.environ['FOLDER']))\n"
    "from aispinner.core.crash_points import Point, reach\n"
    "reach(Point.CLAIMED); reach(Point.RECORDED); print('alive')"
)


def run(folder: Path) -> tuple[int, str]:
    """A process that reaches two points; how it ended, and what it said."""
    argv = [sys.executable, "-c", REACHES]
    ended = subprocess.run(
        argv, env={"FOLDER": str(folder)}, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    return ended.returncode, ended.stdout.strip()


def test_an_armed_point_kills_its_process_once_and_leaves_evidence(tmp_path: Path) -> None:
    (tmp_path / "armed").mkdir()
    (tmp_path / "armed" / Point.RECORDED).touch()
    assert run(tmp_path) == (-9, "")
    assert (tmp_path / "fired").read_text().split()[0] == "recorded"
    assert run(tmp_path) == (0, "alive")
    assert len((tmp_path / "fired").read_text().splitlines()) == 1


def test_without_the_setting_nothing_is_looked_for(settings: LazySettings) -> None:
    settings.CRASH_POINTS = None
    reach(Point.CLAIMED)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8090", "http://localhost:8090", "http://[::1]:8090"])
def test_a_provider_on_this_machine_is_a_simulator(url: str) -> None:
    assert is_loopback(url)


@pytest.mark.parametrize(
    "url", ["https://api.elevenlabs.io", "http://10.0.0.7:8090", "", "http://localhost.example.org"]
)
def test_a_provider_elsewhere_is_real(url: str) -> None:
    assert not is_loopback(url)


def test_crash_points_are_refused_beside_a_real_provider(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AISPINNER_CRASH_POINTS", str(tmp_path))
    assert crash_points("AISPINNER_CRASH_POINTS", simulated=True) == tmp_path
    with pytest.raises(ImproperlyConfigured, match="refused beside a real provider"):
        crash_points("AISPINNER_CRASH_POINTS", simulated=False)
    monkeypatch.setenv("AISPINNER_CRASH_POINTS", "")
    assert crash_points("AISPINNER_CRASH_POINTS", simulated=False) is None
