"""A running simulator, started once and reset for every test, and somebody who listens to its webhooks."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from integrations.elevenlabs.simulator import RunningSimulator, SimulatorConfig, running
from tests.simulator.helpers import Caller, Listener, listening
from tests.simulator.talking import behave


@pytest.fixture(scope="session")
def server() -> Iterator[RunningSimulator]:
    with running(SimulatorConfig(speed=2000)) as started:
        yield started


@pytest.fixture
def sim(server: RunningSimulator) -> Iterator[Caller]:
    """The simulator as seen with a good key: a fresh world, 2000 simulated seconds a second, 200 calls at once."""
    caller = Caller(server.url)
    caller.reset()
    yield caller
    caller.http.close()


@pytest.fixture
def quick(sim: Caller) -> None:
    """Agents that talk and think fast."""
    behave(sim)


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as started:
        yield started


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
