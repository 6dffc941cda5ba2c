"""A simulator that plays fast, an account of its own for each test, and rows that are really committed."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from django.utils import timezone
from pytest_django import Settings

from integrations.elevenlabs.simulator import RunningSimulator, SimulatorConfig, running
from telephony.models import Sequence
from tests.dialer.provider import Provider

SPEED = 3000.0  # simulated seconds a second: a call of a minute takes 20 ms


@pytest.fixture(scope="session")
def simulator() -> Iterator[RunningSimulator]:
    with running(SimulatorConfig(speed=SPEED, concurrency=1000)) as started:
        yield started


@pytest.fixture
def provider(simulator: RunningSimulator, settings: Settings) -> Iterator[Provider]:
    """An account that no other test has."""
    settings.ELEVENLABS_BASE_URL = simulator.url
    with httpx.Client(base_url=simulator.url, timeout=10) as http:
        provider = Provider(http=http)
        yield provider
        provider.faults()


@pytest.fixture
def committed(transactional_db: None) -> None:
    """Real transactions, for threads that meet. The one row of the sequence is there, as migrations leave it."""
    Sequence.objects.get_or_create(pk=1, defaults={"at": timezone.now()})
