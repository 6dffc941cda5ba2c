"""Who may open `/ws/events`, and for how long: tokens, tickets, logins, origins, memberships."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from aispinner.core import broker
from aispinner.core.auth import issue_token
from aispinner.core.models import ApiToken, Workspace
from aispinner.core.tickets import GOOD_FOR
from telephony.realtime import consumer
from tests.factories import make_workspace
from tests.journal.rows import make_call
from tests.realtime.sockets import HOST, Socket, ring_with_call
from tests.realtime.test_sse import in_database

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def token(viewer: User, workspace: Workspace) -> str:
    return issue_token(user=viewer)[1]


def ticket_of(token: str) -> str:
    answer = Client().post("/auth/ws-ticket", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 201
    assert answer["Cache-Control"] == "no-store"
    return str(answer.json()["ticket"])


def how_it_ends(**options: Any) -> tuple[int, list[dict[str, Any]]]:
    """The closing code of a socket that is refused, and what was said before."""

    async def come() -> Socket:
        socket = Socket(**options)
        await socket.ended()
        return socket

    socket = asyncio.run(come())
    closing = socket.said[-1]
    assert (closing["type"], closing["code"]) == ("closing", socket.closed["code"])
    assert closing["reason"] == socket.closed["reason"]
    assert len(closing["reason"].encode()) <= 123  # RFC 6455: what a closing frame holds
    return socket.closed["code"], socket.said


def version_heard(workspace: Workspace, **options: Any) -> int:
    """A socket that is let in is told where the workspace stands."""

    async def come() -> int:
        socket = Socket(**options)
        version = await socket.subscribe(workspace.pk)
        await socket.leave()
        return version

    return asyncio.run(come())


def test_a_token_opens_it_in_the_header_or_as_a_subprotocol(workspace: Workspace, token: str) -> None:
    call = make_call(workspace=workspace)
    assert version_heard(workspace, token=token) == call.version
    assert version_heard(workspace, offered=("bearer", token)) == call.version


def test_the_subprotocol_is_answered_and_the_token_is_not(workspace: Workspace, token: str) -> None:
    async def come() -> Socket:
        socket = Socket(offered=("bearer", token))
        await socket.subscribe(workspace.pk)
        await socket.leave()
        return socket

    assert asyncio.run(come()).subprotocol == "bearer"


@pytest.mark.parametrize(
    "options", [{}, {"token": "ais_wrong"}, {"token": "ä" * 300}, {"offered": ("bearer",)}, {"ticket": "wrong"}]
)
def test_without_a_good_token_it_is_closed_with_a_reason(workspace: Workspace, options: dict[str, Any]) -> None:
    assert how_it_ends(**options)[0] == 4401


def test_a_ticket_opens_one_socket_and_no_second_one(workspace: Workspace, token: str) -> None:
    ticket = ticket_of(token)
    assert version_heard(workspace, ticket=ticket) == 0
    assert how_it_ends(ticket=ticket)[0] == 4401


def test_a_ticket_is_good_for_a_minute_and_valkey_forgets_it_then(workspace: Workspace, token: str) -> None:
    others = set(broker.client().scan_iter(match=broker.key("ticket:*")))  # of tests before this one
    ticket = ticket_of(token)
    [key] = set(broker.client().scan_iter(match=broker.key("ticket:*"))) - others
    assert 0 < int(str(broker.client().ttl(key))) <= GOOD_FOR == 60
    assert ticket not in str(key)
    broker.client().expire(key, 0)  # the minute is over
    assert how_it_ends(ticket=ticket)[0] == 4401


def test_a_page_gets_a_ticket_by_its_login_and_its_csrf_token(workspace: Workspace, viewer: User) -> None:
    page = Client(enforce_csrf_checks=True)
    page.force_login(viewer)
    assert page.post("/auth/ws-ticket").status_code == 403
    page.cookies = SimpleCookie({**{name: each.value for name, each in page.cookies.items()}, "csrftoken": "a" * 32})
    answer = page.post("/auth/ws-ticket", content_type="application/json", headers={"X-CSRFToken": "a" * 32})
    assert answer.status_code == 201
    assert version_heard(workspace, ticket=answer.json()["ticket"]) == 0


@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"https://{HOST}", f"http://{HOST}:81"])
def test_a_page_of_a_foreign_origin_is_turned_away_even_with_a_token(
    workspace: Workspace, token: str, origin: str
) -> None:
    assert how_it_ends(token=token, origin=origin)[0] == 4403


def test_pages_of_ours_and_of_the_settings_origins_are_let_in(
    workspace: Workspace, token: str, settings: Settings
) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.org"]
    assert version_heard(workspace, token=token, origin=f"http://{HOST}") == 0
    assert version_heard(workspace, token=token, origin="https://app.example.org") == 0


def ended_by(change: Callable[[], object], workspace: Workspace, **options: Any) -> tuple[Socket, float]:
    """What becomes of an open socket after `change`, and how many seconds that takes."""

    async def watch() -> tuple[Socket, float]:
        socket = Socket(**options)
        await socket.subscribe(workspace.pk)
        await in_database(change)
        started = asyncio.get_running_loop().time()
        await socket.ended()
        return socket, asyncio.get_running_loop().time() - started

    return asyncio.run(watch())


def test_a_revoked_token_ends_its_socket_within_a_second(workspace: Workspace, token: str) -> None:
    socket, seconds = ended_by(lambda: [each.delete() for each in ApiToken.objects.all()], workspace, token=token)
    assert (socket.closed["code"], seconds < 1) == (4401, True)
    assert socket.of("call.event") == []


def test_a_revoked_token_ends_the_sockets_of_its_tickets_too(workspace: Workspace, token: str) -> None:
    ticket = ticket_of(token)
    socket, _ = ended_by(lambda: [each.delete() for each in ApiToken.objects.all()], workspace, ticket=ticket)
    assert socket.closed["code"] == 4401


def test_an_expired_token_ends_its_socket(workspace: Workspace, viewer: User) -> None:
    token = issue_token(user=viewer, expiry=timedelta(seconds=1.5))[1]
    socket, _ = ended_by(lambda: None, workspace, token=token)
    assert socket.closed["code"] == 4401


def test_a_locked_account_ends_its_sockets(workspace: Workspace, token: str, viewer: User) -> None:
    def lock() -> None:
        viewer.is_active = False
        viewer.save()

    assert ended_by(lock, workspace, token=token)[0].closed["code"] == 4401


def test_logging_out_ends_the_sockets_of_the_login(workspace: Workspace, viewer: User) -> None:
    page = Client()
    page.force_login(viewer)
    ticket = page.post("/auth/ws-ticket").json()["ticket"]
    socket, _ = ended_by(page.logout, workspace, ticket=ticket)
    assert socket.closed["code"] == 4401


def test_a_lost_membership_ends_what_is_told_of_that_workspace_alone(
    workspace: Workspace, token: str, viewer: User
) -> None:
    other = make_workspace("Other", viewer=viewer)

    async def watch() -> Socket:
        socket = Socket(token=token)
        await socket.subscribe(workspace.pk)
        await socket.subscribe(other.pk)
        await in_database(lambda: [each.delete() for each in viewer.memberships.filter(workspace=workspace)])
        await socket.until_said("unsubscribed")
        await in_database(lambda: ring_with_call(workspace))
        await in_database(lambda: ring_with_call(other))
        await socket.until_said("journal.new")
        await socket.leave()
        return socket

    socket = asyncio.run(watch())
    assert socket.of("unsubscribed")[0]["workspace_id"] == workspace.pk
    assert [message["workspace_id"] for message in socket.of("journal.new")] == [other.pk]


def test_a_workspace_of_others_is_not_to_be_told_from_none(
    workspace: Workspace, other_workspace: Workspace, token: str
) -> None:
    async def ask() -> Socket:
        socket = Socket(token=token)
        for workspace_id in (other_workspace.pk, 10**9):
            socket.send({"type": "subscribe", "workspace_id": workspace_id})
        await socket.until_said("error", 2)
        await in_database(lambda: ring_with_call(other_workspace))
        await socket.subscribe(workspace.pk)
        await socket.leave()
        return socket

    socket = asyncio.run(ask())
    assert {each["detail"] for each in socket.of("error")} == {"Workspace not found. GET /workspaces lists yours."}
    assert list(socket.told()) == []


def test_there_are_only_so_many_sockets_of_one_user(
    workspace: Workspace, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "OF_ONE_USER", 1)

    async def come() -> tuple[Socket, Socket]:
        first, second = Socket(token=token), Socket(token=token)
        await asyncio.wait((first.work, second.work), return_when=asyncio.FIRST_COMPLETED)
        stays, goes = (second, first) if first.work.done() else (first, second)
        await goes.ended()
        await stays.subscribe(workspace.pk)
        await stays.leave()
        third = Socket(token=token)  # there is room again
        await third.subscribe(workspace.pk)
        await third.leave()
        return stays, goes

    stays, goes = asyncio.run(come())
    assert (stays.closed, goes.closed["code"]) == ({}, 4429)
    assert not consumer._open
