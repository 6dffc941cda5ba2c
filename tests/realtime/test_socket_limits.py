"""What goes wrong on `/ws/events`, and how it is said: bad messages, slow readers, a broker that is away, the end."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from redis.exceptions import ConnectionError as RedisConnectionError

from aispinner.core.auth import issue_token
from aispinner.core.models import Workspace
from telephony.realtime import consumer, feed, hub, outbox
from telephony.realtime.hub import Hub
from telephony.realtime.outbox import Outbox, Parcel
from tests.realtime.sockets import Socket, ring_with_call
from tests.realtime.test_sse import in_database

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def token(viewer: User, workspace: Workspace) -> str:
    return issue_token(user=viewer)[1]


BAD = [
    "", "nonsense", "[]", "1", '"subscribe"', "{}", '{"type": "sing"}', '{"type": ["subscribe"]}',
    '{"type": "subscribe"}', '{"type": "subscribe", "workspace_id": "1"}', '{"type": "subscribe", "workspace_id": -1}',
    '{"type": "subscribe", "workspace_id": 1, "since_version": -1}',
    '{"type": "subscribe", "workspace_id": 1, "since_version": 1e400}',
    '{"type": "subscribe", "workspace_id": 1, "since": 5}', '{"type": "ping", "x": "\\u0000"}', "[" * 3000,
]  # fmt: skip


def test_a_bad_message_is_answered_with_a_sentence_and_the_socket_stays(workspace: Workspace, token: str) -> None:
    async def talk() -> Socket:
        socket = Socket(token=token)
        for message in BAD:
            socket.send(message)
        socket.send_bytes(b"\xff\xfe")
        await socket.until_said("error", len(BAD) + 1)
        socket.send({"type": "ping"})
        await socket.until_said("pong")
        await socket.subscribe(workspace.pk)
        await socket.leave()
        return socket

    socket = asyncio.run(talk())
    assert len(socket.of("error")) == len(BAD) + 1
    assert all(each["detail"].endswith((".", ")")) for each in socket.of("error"))


def test_a_version_that_is_not_there_yet_is_an_error(workspace: Workspace, token: str) -> None:
    async def talk() -> Socket:
        socket = Socket(token=token)
        socket.send({"type": "subscribe", "workspace_id": workspace.pk, "since_version": 10**9})
        await socket.until_said("error")
        await socket.leave()
        return socket

    assert "ahead" in asyncio.run(talk()).of("error")[0]["detail"]


@pytest.mark.parametrize(("message", "code"), [("x" * 5000, 1009), (json.dumps({"type": "ping"}), 4429)])
def test_too_much_ends_the_socket(
    workspace: Workspace, token: str, message: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "MESSAGES", 3)

    async def talk() -> dict[str, Any]:
        socket = Socket(token=token)
        for _ in range(4):
            socket.send(message)
        return await socket.ended()

    assert asyncio.run(talk())["code"] == code


def test_a_quiet_socket_hears_a_heartbeat_with_the_versions(
    workspace: Workspace, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "HEARTBEAT", 0.05)

    async def watch() -> tuple[int, dict[str, Any]]:
        socket = Socket(token=token)
        version = await socket.subscribe(workspace.pk)
        await socket.until(
            lambda _: any(each["versions"] for each in socket.of("heartbeat")[-1:] if "versions" in each)
        )
        await socket.leave()
        return version, socket.of("heartbeat")[-1]

    version, heartbeat = asyncio.run(watch())
    assert heartbeat["versions"] == {str(workspace.pk): version}


def test_after_unsubscribing_nothing_more_is_told(workspace: Workspace, token: str) -> None:
    async def watch() -> Socket:
        socket = Socket(token=token)
        await socket.subscribe(workspace.pk)
        socket.send({"type": "unsubscribe", "workspace_id": workspace.pk})
        await socket.until_said("unsubscribed")
        await in_database(lambda: ring_with_call(workspace))
        await socket.subscribe(workspace.pk)  # from now on
        await socket.leave()
        return socket

    assert list(asyncio.run(watch()).told()) == []


def test_a_slow_reader_is_dropped_with_a_reason_and_the_others_are_not_held_up(
    workspace: Workspace, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "AT_MOST", 2000)
    monkeypatch.setattr(consumer, "FAREWELL", 60.0)

    async def watch() -> tuple[Socket, Socket]:
        slow, quick = Socket(token=token), Socket(token=token)
        await asyncio.gather(slow.subscribe(workspace.pk), quick.subscribe(workspace.pk))
        slow.reading.clear()
        for count in range(1, 8):
            await in_database(lambda: ring_with_call(workspace))
            await quick.until_said("journal.new", count)
        slow.reading.set()
        await slow.ended()
        await quick.leave()
        return slow, quick

    slow, quick = asyncio.run(watch())
    assert slow.closed["code"] == 4408
    assert slow.said[-1]["type"] == "closing"
    assert len(quick.of("journal.new")) == 7


def test_a_reader_that_takes_nothing_for_too_long_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "PATIENCE", 0.0)
    slow: list[str] = []

    async def put() -> None:
        box = Outbox(lambda _message: asyncio.get_running_loop().create_future(), when_slow=lambda: slow.append("slow"))
        box.put(Parcel(["one"]))
        assert slow == []
        box.put(Parcel(["two"]))
        box.close()

    asyncio.run(put())
    assert slow == ["slow"]


def test_a_server_that_stops_says_so_and_everything_of_the_socket_ends(workspace: Workspace, token: str) -> None:
    async def watch() -> Socket:
        socket = Socket(token=token)
        await socket.subscribe(workspace.pk)
        socket.server_stops()
        await socket.ended()
        return socket

    socket = asyncio.run(watch())
    assert (socket.closed["code"], socket.said[-1]["type"]) == (1012, "closing")
    assert feed._feeds == {}
    assert not consumer._open


def test_valkey_restarting_in_between_costs_nothing(
    workspace: Workspace, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The subscription breaks; what happens before there is another one rings for nobody, and is told all the same."""
    subscribe = Hub._subscribe
    broken, mended = asyncio.Event(), asyncio.Event()
    monkeypatch.setattr(hub, "RECONNECT", 0.01)
    monkeypatch.setattr(feed, "LOOK", 60.0)

    async def breaking(self: Hub) -> None:
        if broken.is_set():
            await mended.wait()
            await subscribe(self)
            return
        listening = asyncio.ensure_future(subscribe(self))
        await broken.wait()
        listening.cancel()
        raise RedisConnectionError

    monkeypatch.setattr(Hub, "_subscribe", breaking)

    async def watch() -> Socket:
        socket = Socket(token=token)
        await socket.subscribe(workspace.pk)
        await in_database(lambda: ring_with_call(workspace))
        await socket.until_said("journal.new")
        broken.set()
        await in_database(lambda: ring_with_call(workspace))
        mended.set()
        await socket.until_said("journal.new", 2)
        await in_database(lambda: ring_with_call(workspace))
        await socket.until_said("journal.new", 3)
        await socket.leave()
        return socket

    versions = [version for _, version in asyncio.run(watch()).told()]
    assert len(versions) == len(set(versions)) == 3
