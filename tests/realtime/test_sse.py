"""The event stream of a call or campaign: resumed where it stopped, closed when nothing more will happen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections, transaction
from django.utils import timezone

from aispinner.core.auth import issue_token
from aispinner.core.models import ApiToken, Workspace
from telephony.dialer.runs import change_run, locked_run
from telephony.models import Run, RunStatus
from telephony.realtime import sse
from tests.factories import make_run

pytestmark = pytest.mark.django_db(transaction=True)


class Client:
    """One request to the stream, its answer read as it comes."""

    def __init__(self, call_id: str, *, token: str = "", last_event_id: str = "", query: str = "") -> None:
        headers = [(b"accept", b"text/event-stream")]
        headers += [(b"authorization", f"Bearer {token}".encode())] if token else []
        headers += [(b"last-event-id", last_event_id.encode())] if last_event_id else []
        self.scope = {
            "headers": headers, "query_string": query.encode(), "url_route": {"kwargs": {"call_id": call_id}},
        }  # fmt: skip
        self.status = 0
        self.text = ""
        self.changed = asyncio.Event()
        self.leaving = asyncio.Event()
        self.work = asyncio.ensure_future(sse.EventStream()(self.scope, self.receive, self.send))

    async def receive(self) -> dict[str, Any]:
        await self.leaving.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.status = message.get("status", self.status)
        self.text += message.get("body", b"").decode()
        self.changed.set()

    async def until(self, seen: Callable[[str], bool]) -> None:
        async with asyncio.timeout(10):
            while not seen(self.text):
                self.changed.clear()
                await self.changed.wait()

    async def ended(self) -> None:
        async with asyncio.timeout(10):
            await self.work

    async def leave(self) -> None:
        self.leaving.set()
        await self.ended()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line[6:]) for line in self.text.splitlines() if line.startswith('data: {"id"')]


async def in_database(work: Callable[[], Any]) -> Any:
    def and_close() -> Any:
        try:
            return work()
        finally:
            connections.close_all()

    return await asyncio.to_thread(and_close)


def told(run: Run, event: str, **fields: Any) -> Callable[[], None]:
    def change() -> None:
        with transaction.atomic():
            change_run(locked_run(run.pk), event=event, **fields)

    return change


@pytest.fixture
def run(workspace: Workspace) -> Run:
    return make_run(workspace=workspace)


@pytest.fixture
def token(viewer: User) -> str:
    return issue_token(user=viewer)[1]


def test_what_happens_is_told_as_it_happens_and_the_end_closes_the_stream(run: Run, token: str) -> None:
    async def watch() -> Client:
        client = Client(run.call_id, token=token)
        await client.until(lambda text: "retry:" in text)
        await in_database(told(run, "run.renamed", name="VIP"))
        await client.until(lambda text: "run.renamed" in text)
        await in_database(told(run, "run.completed", status=RunStatus.COMPLETED, finished_at=timezone.now()))
        await client.ended()
        return client

    client = asyncio.run(watch())
    assert client.status == 200
    assert [event["type"] for event in client.events] == ["run.renamed", "run.completed"]
    assert client.text.endswith("event: end\ndata: {}\n\n")


def test_a_lost_connection_goes_on_after_the_last_event_it_saw(run: Run, token: str) -> None:
    for name in ("one", "two", "three"):
        told(run, "run.renamed", name=name)()

    async def watch() -> tuple[Client, Client]:
        first = Client(run.call_id, token=token)
        await first.until(lambda text: text.count("run.renamed") >= 6)  # in `event:` and in `data:`
        await first.leave()
        second = Client(run.call_id, token=token, last_event_id=str(first.events[0]["id"]))
        await second.until(lambda text: text.count("run.renamed") >= 4)
        await second.leave()
        return first, second

    first, second = asyncio.run(watch())
    assert second.events == first.events[1:]


def test_who_comes_back_after_the_end_is_told_to_stay_away(run: Run, token: str) -> None:
    told(run, "run.completed", status=RunStatus.COMPLETED, finished_at=timezone.now())()

    async def watch() -> tuple[Client, Client]:
        first = Client(run.call_id, token=token)
        await first.ended()
        again = Client(run.call_id, token=token, last_event_id=str(first.events[-1]["id"]))
        await again.ended()
        return first, again

    first, again = asyncio.run(watch())
    assert "event: end" in first.text
    assert (again.status, again.text) == (204, "")


def test_a_silent_stream_is_kept_alive(run: Run, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "KEEP_ALIVE", 0.01)

    async def watch() -> Client:
        client = Client(run.call_id, token=token)
        await client.until(lambda text: text.count(": still here") >= 2)
        await client.leave()
        return client

    assert asyncio.run(watch()).events == []


def test_a_stream_ends_when_its_reader_is_no_longer_a_member(run: Run, token: str, viewer: User) -> None:
    async def watch() -> Client:
        client = Client(run.call_id, token=token)
        await client.until(lambda text: "retry:" in text)
        await in_database(lambda: viewer.memberships.all().delete())
        await in_database(told(run, "run.renamed", name="secret"))
        await client.ended()
        return client

    assert asyncio.run(watch()).events == []


def test_a_revoked_token_ends_its_stream_at_once(run: Run, token: str, viewer: User) -> None:
    async def watch() -> Client:
        client = Client(run.call_id, token=token)
        await client.until(lambda text: "retry:" in text)
        await in_database(lambda: [each.delete() for each in ApiToken.objects.filter(user=viewer)])
        await client.ended()
        return client

    assert asyncio.run(watch()).events == []


@pytest.mark.parametrize(
    ("status", "who", "last_event_id"), [(401, "", ""), (404, "stranger", ""), (422, "viewer", "x")]
)
def test_a_stream_is_refused_with_a_sentence(
    run: Run, viewer: User, stranger: User, status: int, who: str, last_event_id: str
) -> None:
    users = {"viewer": viewer, "stranger": stranger}
    token = issue_token(user=users[who])[1] if who else ""

    async def watch() -> Client:
        client = Client(run.call_id, token=token, last_event_id=last_event_id)
        await client.ended()
        return client

    client = asyncio.run(watch())
    assert client.status == status
    assert json.loads(client.text)["detail"].endswith(".")
