"""`/ws/events` over real sockets: a reader that does not read, and a server that stops."""

from __future__ import annotations

import json
import socket as sockets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from aispinner.core.auth import issue_token
from aispinner.core.models import Workspace
from telephony.realtime.rings import tell
from tests.journal.rows import make_call
from tests.serving.conftest import Server, Start, launch
from tests.serving.test_django import tests_database

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["launch", "tests_database"]  # fixtures
CALLS = 40
TRANSCRIPT = json.dumps([{"role": "agent", "message": "word " * 60_000, "time_in_call_secs": 0}])  # 300 KB


@pytest.fixture
def server(launch: Start, tests_database: dict[str, str], db: None) -> Iterator[Server]:
    env = {**tests_database, "REDIS_PREFIX": settings.REDIS_PREFIX}  # our rings are heard there
    started = launch("--application", "tests.realtime.hasty:application", env=env)
    yield started
    if started.process.poll() is None:
        started.stop()  # before the database goes


@pytest.fixture
def token(viewer: User, workspace: Workspace) -> str:
    return issue_token(user=viewer)[1]


@contextmanager
def opened(server: Server, token: str, workspace: Workspace, since: int | None = None) -> Iterator[ClientConnection]:
    """A socket that follows the workspace, with little room for what is not read; `recv` reads."""
    wire = sockets.socket()
    wire.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 128 * 1024)
    wire.connect(("127.0.0.1", server.port))
    headers = {"Authorization": f"Bearer {token}"}
    address = f"ws://127.0.0.1:{server.port}/ws/events"
    with connect(
        address, sock=wire, additional_headers=headers, max_queue=1, max_size=None, compression=None, ping_interval=None
    ) as socket:
        place = {} if since is None else {"since_version": since}
        socket.send(json.dumps({"type": "subscribe", "workspace_id": workspace.pk, **place}))
        while json.loads(socket.recv(timeout=20))["type"] != "subscribed":
            pass
        yield socket


def calls_heard(socket: ClientConnection, *, up_to: int = CALLS) -> tuple[list[int], int]:
    """Versions of the calls told until there are `up_to`, or the end; with the code of the end, 0 where it was none."""
    heard: list[int] = []
    try:
        while len(heard) < up_to:
            message: dict[str, Any] = json.loads(socket.recv(timeout=20))
            heard += [message["version"]] if "call" in message else []
    except ConnectionClosed as closed:
        return heard, closed.rcvd.code if closed.rcvd else 1006
    return heard, 0


def test_who_does_not_read_is_dropped_and_resumes_without_a_gap(
    server: Server, token: str, workspace: Workspace
) -> None:
    heard: list[int] = []
    with opened(server, token, workspace) as slow, opened(server, token, workspace) as quick:
        for _ in range(CALLS):
            make_call(workspace=workspace, transcript=TRANSCRIPT)
            tell(workspace.pk)
            heard += calls_heard(quick, up_to=1)[0]
        before, code = calls_heard(slow)
    assert code == 4408
    assert len(before) < CALLS
    with opened(server, token, workspace, since=before[-1] if before else 0) as again:
        assert before + calls_heard(again, up_to=CALLS - len(before))[0] == heard


def test_a_server_that_is_told_to_stop_says_goodbye(server: Server, token: str, workspace: Workspace) -> None:
    with ExitStack() as stack:
        open_ones = [stack.enter_context(opened(server, token, workspace)) for _ in range(3)]
        server.process.terminate()
        for socket in open_ones:
            said: list[dict[str, Any]] = []
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    said.append(json.loads(socket.recv(timeout=20)))
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1012
            assert (said[-1]["type"], said[-1]["code"]) == ("closing", 1012)
    assert server.process.wait(10) == 0
