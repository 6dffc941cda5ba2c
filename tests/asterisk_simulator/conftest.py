"""A running simulator, started once and reset for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integrations.asterisk.simulator import RunningSimulator, SimulatorConfig, running
from tests.asterisk_simulator.helpers import Listener, Pbx

SPEED = 100


@pytest.fixture(scope="session")
def server() -> Iterator[RunningSimulator]:
    with running(SimulatorConfig(speed=SPEED)) as started:
        yield started


@pytest.fixture
def pbx(server: RunningSimulator) -> Iterator[Pbx]:
    """A fresh PBX where everybody answers and listens; 100 simulated seconds a second."""
    caller = Pbx(server.url)
    caller.sim("reset", {"speed": SPEED, "version": "22.10.1"})
    caller.script(outcome="answered", manner="listen", ring_secs=1, talk_secs=2000)
    yield caller
    caller.http.close()


@pytest.fixture
def line(pbx: Pbx) -> Iterator[Listener]:
    with pbx.listen() as listener:
        yield listener
