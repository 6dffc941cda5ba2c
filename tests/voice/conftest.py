"""A bridge in a thread, on a real database, with the simulated ElevenLabs as its agents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from agents.models import Agent
from aispinner.core.models import NodeType, Workspace
from telephony.voice.process import Bridge, BridgeConfig
from tests.factories import make_agent, make_key, make_node
from tests.integrations.conftest import Sim, sim, simulator
from tests.voice.loops import Loop, running_loop

__all__ = ["sim", "simulator"]
QUICK = {"words_per_second": 10, "think_ms": 10, "silence_ms": 200, "pace": 0.2}


@pytest.fixture
def loop() -> Iterator[Loop]:
    with running_loop() as loop:
        yield loop


@pytest.fixture
def bridge(loop: Loop, sim: Sim, transactional_db: None, settings: Settings, tmp_path: Path) -> Iterator[Bridge]:
    """A bridge with room for three."""
    settings.MEDIA_ROOT = tmp_path
    sim.control("sockets", {"*": QUICK})
    made = loop.run(_started(BridgeConfig(capacity=3, grace_secs=0)))
    yield made[0]
    loop.loop.call_soon_threadsafe(made[0].stop)
    loop.run(_finished(made[1]))


async def _started(config: BridgeConfig) -> tuple[Bridge, Any]:
    import asyncio

    bridge = Bridge(config)
    running = asyncio.ensure_future(bridge.run())
    await asyncio.wait([running, asyncio.ensure_future(bridge.started.wait())], return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    return bridge, running


async def _finished(running: Any) -> None:
    await running


@pytest.fixture
def agent(workspace: Workspace) -> Agent:
    """An adopted agent that the simulator knows."""
    key = make_key(workspace=workspace)
    node = make_node(workspace=workspace, type=NodeType.AGENT, node_id="agent_xyz")
    return make_agent(node=node, account=key.account)
