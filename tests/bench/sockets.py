"""A thousand sockets of one workspace: `/ws/events` against channels' RedisPubSub layer, on the same server.

Ours tells rows: each message is an event that is committed first, and read by the socket process. The rival's are sent
to a group, ready made, and neither stored nor authenticated. Ours may put messages of the same moment into one frame
(`batch`), which a group cannot; a message alone is a frame on either side.

One after the other: each message is sent when all have the one before, which is what a quiet day is like. All at once:
as fast as they can be sent.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import orjson
from django.conf import settings
from django.db import transaction

from tests.bench.crowd import Crowd
from tests.bench.rows import Figures, Goal, Row
from tests.bench.servers import Server, serving

SOCKETS_OPEN, USERS = 1000, 10
SINGLE, AT_ONCE = 12, 40  # messages
PATIENCE = 120.0  # seconds
Publish = Callable[[int], Awaitable[None]]


def ours() -> Figures:
    """Events of a workspace, committed one by one."""
    from aispinner.core.auth import issue_token
    from telephony.dialer.ledger import take_numbers
    from telephony.dialer.transitions import run_event, write_events
    from tests.factories import make_member, make_run, make_user, make_workspace

    workspace = make_workspace("Bench")
    run = make_run(workspace=workspace)
    users = [make_user() for _ in range(USERS)]
    for user in users:
        make_member(workspace=workspace, user=user)
    tokens = [issue_token(user=user)[1] for user in users]

    def commit(number: int) -> None:
        with transaction.atomic():
            numbers, at = take_numbers(1)
            write_events([run_event(run, "bench", _stamp(number))], numbers, at)

    async def publish(number: int) -> None:
        await asyncio.to_thread(commit, number)

    words = orjson.dumps({"type": "subscribe", "workspace_id": workspace.pk, "batch": True})
    headers = [{"Authorization": f"Bearer {tokens[place % USERS]}"} for place in range(SOCKETS_OPEN)]
    with serving("--interface", "asgi") as server:
        crowd = Crowd(port=server.port, path="/ws/events", headers=headers, first_words=words)
        return asyncio.run(_measured(crowd, server, publish))


def rival() -> Figures:
    """Messages of the same size to a group."""
    from channels_redis.pubsub import RedisPubSubChannelLayer

    async def measured(server: Server) -> Figures:
        layer: Any = RedisPubSubChannelLayer(hosts=[settings.REDIS_URL], prefix="bench")

        async def publish(number: int) -> None:
            event = {"id": number, "type": "bench", "call_id": "camp_01m8389kpd6b8rf44qp2nrzn66"}
            event |= {"at": "2026-05-04T10:23:45.123456Z", "data": _stamp(number)}
            text = orjson.dumps({"type": "call.event", "workspace_id": 1, "version": number, "event": event}).decode()
            await layer.group_send("workspace", {"type": "tell", "text": text})

        headers: Sequence[Mapping[str, str]] = [{}] * SOCKETS_OPEN
        return await _measured(Crowd(port=server.port, path="/ws/rival", headers=headers), server, publish)

    with serving("--application", "tests.bench.rival_sockets:application") as server:
        return asyncio.run(measured(server))


def _stamp(number: int) -> dict[str, int]:
    return {"seq": number, "sent": time.monotonic_ns()}


async def _measured(crowd: Crowd, server: Server, publish: Publish) -> Figures:
    await crowd.come()
    await publish(0)  # what happens only the first time
    await crowd.hear(SOCKETS_OPEN, within=PATIENCE)
    begun = len(crowd.latencies)
    for number in range(1, SINGLE + 1):
        await publish(number)
        await crowd.hear(SOCKETS_OPEN * (number + 1), within=PATIENCE)
    single = crowd.latencies[begun:]
    started, before, used = time.monotonic(), len(crowd.latencies), server.cpu_seconds()
    expected = SOCKETS_OPEN * (1 + SINGLE + AT_ONCE)
    for number in range(SINGLE + 1, SINGLE + AT_ONCE + 1):
        await publish(number)
    await crowd.hear(expected, within=PATIENCE)
    took, used = time.monotonic() - started, server.cpu_seconds() - used
    crowd.leave()
    delivered = len(crowd.latencies) - before
    return {
        "deliveries/s": delivered / took,
        "server's µs/delivery": used / max(1, delivered) * 1e6,
        "p50 ms": statistics.median(single) / 1e6,
        "p99 ms": statistics.quantiles(single, n=100)[98] / 1e6,
        "lost": expected - len(crowd.latencies),
        "twice": crowd.twice,
    }


SOCKETS = Row(
    name="sockets",
    says=f"{SOCKETS_OPEN:,} sockets of one workspace in one process, against channels' RedisPubSub layer",
    measure=ours,
    rival=rival,
    rounds=5,
    goals=(
        Goal(
            what="deliveries/s, all at once, against the rival's",
            figure=lambda mine, theirs: mine["deliveries/s"] / theirs["deliveries/s"],
            at_least=10,
            unit="x",
        ),
        Goal(
            what="p99, one after the other, against the rival's",
            figure=lambda mine, theirs: mine["p99 ms"] / theirs["p99 ms"],
            at_most=0.1,
            unit="x",
        ),
        Goal(what="lost or told twice", figure=lambda mine, _theirs: mine["lost"] + mine["twice"], at_most=0),
    ),
)
