"""A simulator that plays fast, and an account of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from pytest_django import Settings

from integrations.elevenlabs.simulator import RunningSimulator, SimulatorConfig, running
from tests.dialer.provider import Provider

SPEED = 12_000.0  # simulated seconds a second: a call of a minute takes 5 ms


@pytest.fixture(scope="session")
def simulator() -> Iterator[RunningSimulator]:
    with running(SimulatorConfig(speed=SPEED, concurrency=1000)) as started:
        yield started


@pytest.fixture
def provider(simulator: RunningSimulator, settings: Settings) -> Iterator[Provider]:
    """An account that no other test has."""
    settings.ELEVENLABS_BASE_URL = simulator.url
    with httpx.Client(base_url=simulator.url, timeout=10, verify=False) as http:
        provider = Provider(http=http)
        yield provider
        provider.faults()
