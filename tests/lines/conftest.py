"""A simulated PBX whose calls are over in no time, started once, its world fresh for every test."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from integrations.asterisk.simulator import RunningSimulator, SimulatorConfig, running
from tests.lines.bridge import scripted_bridge
from tests.lines.house import House

SPEED = 50.0


@pytest.fixture(scope="session")
def pbx_server() -> Iterator[RunningSimulator]:
    with running(SimulatorConfig(speed=SPEED)) as started:
        yield started


@pytest.fixture
def house(pbx_server: RunningSimulator, transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A PBX and a bridge; nobody holds the PBX yet. Whoever looks every second looks ten times a second here."""
    for wait in ("holder.STAND_BY", "holder.SETTINGS_EVERY", "session.LOOK_EVERY", "placing.LOOK_EVERY"):
        monkeypatch.setattr(f"telephony.voice.lines.{wait}", 0.1)
    with httpx.Client(base_url=pbx_server.url, timeout=10) as http, scripted_bridge() as bridge:
        house = House(url=pbx_server.url, http=http, bridge=bridge)
        house.control("reset", {"seed": 1, "speed": SPEED, "version": "22.10.1"})
        http.delete("/_sim/faults")
        bridge.row()
        yield house
