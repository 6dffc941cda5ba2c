"""`/ws/events`: what is told, in which order, and from where on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from aispinner.core.auth import issue_token
from aispinner.core.models import Workspace
from telephony.dialer.runs import change_run, locked_run
from telephony.journal.delta import read_mark
from telephony.models import CallStatus, Run
from telephony.realtime import changes as changes_module
from telephony.realtime import consumer, feed
from tests.factories import make_run
from tests.journal.rows import change, make_call
from tests.realtime.sockets import Socket
from tests.realtime.test_sse import in_database

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def token(viewer: User, workspace: Workspace) -> str:
    return issue_token(user=viewer)[1]


@pytest.fixture
def run(workspace: Workspace) -> Run:
    return make_run(workspace=workspace)


def rename(run: Run, name: str) -> Callable[[], None]:
    def work() -> None:
        with transaction.atomic():
            change_run(locked_run(run.pk), event="run.renamed", name=name)

    return work


def test_calls_campaigns_and_events_are_told_as_they_happen_in_the_order_of_versions(
    workspace: Workspace, run: Run, token: str
) -> None:
    async def watch() -> Socket:
        socket = Socket(token=token)
        await socket.subscribe(workspace.pk)
        call = await in_database(lambda: make_call(workspace=workspace, run=run, status=CallStatus.QUEUED))
        await in_database(rename(run, "VIP"))
        await socket.until_said("call.event")
        await in_database(lambda: change(call, summary="They like apples."))
        await in_database(rename(run, "VVIP"))
        await socket.until_said("call.event", 2)
        await socket.leave()
        return socket

    socket = asyncio.run(watch())
    told = list(socket.told())
    assert [kind for kind, _ in told] == [
        "journal.new", "run.updated", "call.event", "journal.updated", "run.updated", "call.event",
    ]  # fmt: skip
    assert [version for _, version in told] == sorted({version for _, version in told})
    new, updated = socket.of("journal.new", "journal.updated")
    assert new["workspace_id"] == workspace.pk
    assert (new["call"]["status"], new["call"]["parent_call_id"]) == ("queued", run.call_id)
    assert (updated["call"]["call_id"], updated["call"]["summary"]) == (new["call"]["call_id"], "They like apples.")
    assert [each["run"]["name"] for each in socket.of("run.updated")] == ["VIP", "VVIP"]
    assert socket.of("call.event")[0]["event"]["type"] == "run.renamed"


def test_who_resumes_gets_everything_after_the_version_and_nothing_twice(
    workspace: Workspace, run: Run, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "AT_ONCE", 2)  # so that catching up takes several reads
    old = make_call(workspace=workspace)
    since = read_mark()
    calls = [make_call(workspace=workspace, run=run) for _ in range(5)]
    for name in ("one", "two", "three"):
        rename(run, name)()
    change(old, summary="Late.")

    async def watch() -> Socket:
        socket = Socket(token=token)
        version = await socket.subscribe(workspace.pk, since=since)
        assert version == await in_database(read_mark)
        await socket.until_said("journal.updated")
        await in_database(rename(run, "four"))
        await socket.until_said("call.event", 4)
        await socket.leave()
        return socket

    socket = asyncio.run(watch())
    versions = [version for _, version in socket.told()]
    assert versions == sorted(set(versions))
    assert [message["call"]["id"] for message in socket.of("journal.new")] == [call.pk for call in calls]
    assert [message["call"]["id"] for message in socket.of("journal.updated")] == [old.pk]
    assert [message["run"]["name"] for message in socket.of("run.updated")] == ["three", "four"]
    assert len(socket.of("call.event")) == 4


def test_what_is_changed_while_somebody_catches_up_is_not_missed(
    workspace: Workspace, run: Run, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change is placed between the read that catches up and the moment at which the feed takes over."""
    reads = changes_module.read_changes
    placed: list[object] = []

    def read_then_change(**options: Any) -> Any:
        changes = reads(**options)
        if not placed:
            placed.append(rename(run, "in between")())
        return changes

    monkeypatch.setattr(consumer, "read_changes", read_then_change)
    make_call(workspace=workspace)

    async def watch() -> Socket:
        socket = Socket(token=token)
        await socket.subscribe(workspace.pk, since=0)
        await socket.until_said("call.event")
        await socket.leave()
        return socket

    socket = asyncio.run(watch())
    assert placed
    assert [message["event"]["type"] for message in socket.of("call.event")] == ["run.renamed"]
    assert len(socket.of("journal.new")) == 1


def test_many_sockets_of_a_workspace_share_one_read_of_what_is_new(
    workspace: Workspace, run: Run, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = changes_module.read_changes
    found: list[int] = []

    def counted(**options: Any) -> Any:
        changes = reads(**options)
        found.extend([1] if changes.cursor > changes.after else [])
        return changes

    monkeypatch.setattr(feed, "read_changes", counted)

    async def watch() -> list[Socket]:
        sockets = [Socket(token=token) for _ in range(20)]
        await asyncio.gather(*(socket.subscribe(workspace.pk) for socket in sockets))
        await in_database(rename(run, "VIP"))
        await asyncio.gather(*(socket.until_said("call.event") for socket in sockets))
        await asyncio.gather(*(socket.leave() for socket in sockets))
        return sockets

    sockets = asyncio.run(watch())
    assert len(found) == 1
    assert all(list(socket.told()) == list(sockets[0].told()) for socket in sockets)
    assert feed._feeds == {}


def test_who_asks_for_it_gets_messages_of_the_same_moment_in_one_frame(workspace: Workspace, token: str) -> None:
    calls = [make_call(workspace=workspace) for _ in range(5)]

    async def watch(*, batch: bool) -> Socket:
        socket = Socket(token=token)
        socket.send({"type": "subscribe", "workspace_id": workspace.pk, "since_version": 0, "batch": batch})
        await socket.until_said("journal.new", 5)
        await socket.leave()
        return socket

    together, apart = asyncio.run(watch(batch=True)), asyncio.run(watch(batch=False))
    assert [each["call"]["id"] for each in together.of("journal.new")] == [call.pk for call in calls]
    assert (together.frames, apart.frames) == (2, 6)
