"""A client that loses its connection again and again while a campaign runs, and has seen everything at the end."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
import websockets

from tests.e2e.test_campaigns import numbers, start
from tests.stack import Stack, follow

__all__ = ["numbers"]
pytestmark = pytest.mark.e2e
RECONNECTS = 100
SEED = 20260504


@dataclass
class Reader:
    """What a client keeps: events as they came, the last state of everything, and the version to resume from."""

    stack: Stack
    version: int
    events: list[int] = field(default_factory=list)
    states: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def read(self, *, messages: int, seconds: float, until: int | None = None) -> None:
        """One connection, cut off after so many messages or seconds; or left once `until` was reached."""
        address = self.stack.address.replace("http", "ws")
        async with websockets.connect(f"{address}/ws/events", subprotocols=["bearer", self.stack.token]) as socket:  # type: ignore[list-item]
            await socket.send(json.dumps({"type": "subscribe", "workspace_id": 1, "since_version": self.version}))
            try:
                async with asyncio.timeout(seconds):
                    while messages and (until is None or self.version < until):
                        self.take(json.loads(await socket.recv()))
                        messages -= 1
            except TimeoutError:
                pass
            socket.transport.abort()  # as a network does

    def take(self, message: dict[str, Any]) -> None:
        """Remember it, and where we are."""
        if "version" not in message or message["type"] == "subscribed":
            return
        assert message["version"] > self.version, "told twice, or out of order"
        self.version = message["version"]
        if message["type"] == "call.event":
            self.events.append(message["event"]["id"])
        else:
            state = message.get("call") or message["run"]
            self.states[state["call_id"]] = state


def test_a_client_that_reconnects_a_hundred_times_has_seen_every_event_once_and_the_last_of_everything(
    stack: Stack,
    numbers: list[str],
) -> None:
    since = stack.get("/telephony/journal", workspace_id=1, limit=1)["max_version"]
    reader, chance = Reader(stack, since), random.Random(SEED)
    campaign = start(stack, numbers[:150], max_concurrent=10)

    async def lose_connections() -> None:
        for _ in range(RECONNECTS):
            await reader.read(messages=chance.randint(0, 40), seconds=chance.uniform(0.05, 0.2))

    asyncio.run(lose_connections())
    *_, run = follow(stack, campaign, until={"completed"})
    calls, events = stack.journal(campaign), every_event(stack, campaign)
    highest = max(run["version"], *events, *(call["version"] for call in calls))
    asyncio.run(reader.read(messages=-1, seconds=60, until=highest))

    told = Counter(reader.events)
    assert {number: told[number] for number in events} == dict.fromkeys(events, 1)
    assert set(told.values()) == {1}
    for row in (run, *calls):
        seen = reader.states[row["call_id"]]
        assert seen["version"] >= row["version"]
        assert seen["version"] > row["version"] or plain(seen) == plain(row)


def every_event(stack: Stack, campaign: str) -> list[int]:
    """The ids of a campaign's events, page by page."""
    found: list[int] = []
    page: dict[str, Any] = {"has_more": True, "max_id": 0}
    while page["has_more"]:
        page = stack.get(f"/telephony/calls/{campaign}/events", limit=1000, since=page["max_id"])
        found += [event["id"] for event in page["events"]]
    return found


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """Without the address of the recording, which is signed anew each time."""
    return {name: value for name, value in row.items() if name != "audio_url"}
