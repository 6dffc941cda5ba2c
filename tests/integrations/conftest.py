"""Providers to talk to: one that says what it is told to, and the simulator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from pytest_django.fixtures import Settings

from integrations.elevenlabs.client import ElevenLabsClient
from integrations.elevenlabs.simulator import RunningSimulator, SimulatorConfig, running
from tests.integrations.wire import Wire, running_wire


@pytest.fixture
def wire(settings: Settings) -> Iterator[Wire]:
    """The provider, answering what the test tells it to."""
    with running_wire() as started:
        settings.ELEVENLABS_BASE_URL = started.url
        settings.ELEVENLABS_CONNECT_TIMEOUT = settings.ELEVENLABS_READ_TIMEOUT = 1
        yield started


@pytest.fixture
def wired() -> ElevenLabsClient:
    """A client; the address is the settings'."""
    return ElevenLabsClient(api_key="sk_test_0001")


@pytest.fixture(scope="session")
def simulator() -> Iterator[RunningSimulator]:
    with running(SimulatorConfig(speed=5000)) as started:
        yield started


class Sim:
    """The simulator as a test orders it: a fresh world each time."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.control("reset", {})

    def control(self, what: str, body: Any) -> Any:
        """POST /_sim/{what}."""
        answer = requests.post(f"{self.url}/_sim/{what}", json=body, timeout=5)
        answer.raise_for_status()
        return answer.json()

    def fault(self, name: str, **rule: Any) -> None:
        """Let something go wrong."""
        self.control("faults", {"rules": [{"fault": name, **rule}]})

    def get(self, path: str, *, key: str = "sk_test_0001") -> Any:
        """GET from the simulator, past our client."""
        return requests.get(self.url + path, headers={"xi-api-key": key}, timeout=5).json()


@pytest.fixture
def sim(simulator: RunningSimulator, settings: Settings) -> Iterator[Sim]:
    """ElevenLabs, simulated; calls take milliseconds."""
    settings.ELEVENLABS_BASE_URL = simulator.url
    settings.PUBLIC_URL = ""
    yield Sim(simulator.url)
