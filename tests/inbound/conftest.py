"""A workspace with a number and an agent at an account of the simulator, and somebody who listens to its webhooks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.dialer.conftest import provider, simulator
from tests.dialer.provider import Provider
from tests.inbound.house import House, move_in
from tests.simulator.helpers import Listener, listening

__all__ = ["provider", "simulator"]


@pytest.fixture
def house(provider: Provider) -> House:
    return move_in(provider)


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as started:
        yield started
