"""The ARI client against a PBX that says what the test tells it to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import pytest

from integrations.asterisk import client as client_module
from integrations.asterisk.client import Ari, Login, Version, open_ari
from integrations.asterisk.events import Replaced, StasisStarted
from integrations.asterisk.listener import TakenError, keep_listening
from integrations.asterisk.refusals import never_dialled
from integrations.errors import Answer, ProviderError, Reason
from integrations.http import Reply
from tests.asterisk.pbx import PASSWORD, ScriptedPbx, eventually, scripted


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


async def hear(ari: Ari, into: list[Any]) -> None:
    async for event in ari.events():
        into.append(event)


def test_requests_go_over_the_event_socket_and_events_are_told_beside_them() -> None:
    async def work() -> None:
        async with scripted() as pbx, open_ari(pbx.login) as ari:
            heard: list[Any] = []
            hearing = asyncio.create_task(hear(ari, heard))
            pbx.answers["POST channels/call_1"] = (200, {"id": "call_1"})
            reply = await ari.ask("POST", "channels/call_1", body={"endpoint": "PJSIP/+15550100123@trunk"})
            assert (reply.status, reply.json()) == (200, {"id": "call_1"})
            assert pbx.asked[-1]["over"] == "socket"
            await pbx.tell(type="StasisStart", channel={"id": "call_1"}, args=[])
            await eventually(lambda: heard == [StasisStarted(channel_id="call_1")])
            hearing.cancel()

    run(work())


def test_an_older_asterisk_is_asked_over_http() -> None:
    async def work() -> None:
        async with scripted(version="18.26.4") as pbx, open_ari(pbx.login) as ari:
            pbx.answers["GET channels/call_1"] = (200, {"id": "call_1"})
            assert (await ari.ask("GET", "channels/call_1", query={"x": "1"})).status == 200
            assert (await ari.ask("GET", "channels/call_2")).status == 404
            assert [each["over"] for each in pbx.asked] == ["http", "http"]

    run(work())


def test_the_password_is_in_a_header_and_in_no_address_text_or_log(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        async with scripted() as pbx, open_ari(pbx.login) as ari:
            texts = [repr(ari), repr(pbx.login), str(pbx.login), *pbx.addresses]
            assert not any(PASSWORD in text for text in texts)

    with caplog.at_level(logging.DEBUG):
        run(work())
    written = caplog.text
    assert PASSWORD not in written
    assert "Authorization" not in written


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_said_to_be(status: int) -> None:
    async def work() -> None:
        async with scripted(refuses=status) as pbx:
            with pytest.raises(ProviderError) as raised:
                async with open_ari(pbx.login):
                    pass
            assert (raised.value.answer, raised.value.reason) == (Answer.REFUSED, Reason.PBX_REFUSED)

    run(work())


def test_a_pbx_that_does_not_answer_is_down_and_nothing_has_happened() -> None:
    async def work() -> None:
        async with scripted() as pbx:
            login = pbx.login
        with pytest.raises(ProviderError) as raised:
            async with open_ari(login):
                pass
        assert (raised.value.answer, raised.value.reason) == (Answer.NOT_DONE, Reason.PBX_DOWN)

    run(work())


def test_a_request_whose_answer_never_comes_may_have_been_carried_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "ANSWER_WITHIN", 0.05)

    async def work() -> None:
        async with scripted() as pbx, open_ari(pbx.login) as ari:
            hearing = asyncio.create_task(hear(ari, []))
            pbx.answers["POST channels/call_1"] = None
            with pytest.raises(ProviderError) as raised:
                await ari.ask("POST", "channels/call_1", body={})
            assert raised.value.answer is Answer.UNKNOWN
            hearing.cancel()

    run(work())


def test_a_socket_that_breaks_leaves_open_requests_unknown_and_ends_the_events() -> None:
    async def work() -> None:
        async with scripted() as pbx, open_ari(pbx.login) as ari:
            hearing = asyncio.create_task(hear(ari, []))
            pbx.answers["POST channels/call_1"] = None
            asking = asyncio.create_task(ari.ask("POST", "channels/call_1", body={}))
            await pbx.told()
            await pbx.sockets[-1].close()
            await hearing
            with pytest.raises(ProviderError) as raised:
                await asking
            assert raised.value.answer is Answer.UNKNOWN

    run(work())


def test_frames_that_nobody_can_read_change_nothing() -> None:
    async def work() -> None:
        async with scripted() as pbx, open_ari(pbx.login) as ari:
            heard: list[Any] = []
            hearing = asyncio.create_task(hear(ari, heard))
            await eventually(lambda: bool(pbx.sockets))
            for frame in ("no json", "[]", '{"type": "RESTResponse", "request_id": "r99", "status_code": 200}', "{}"):
                await pbx.sockets[-1].send(frame)
            await pbx.tell(type="ApplicationReplaced")
            await hearing
            assert heard == [Replaced()]

    run(work())


async def _keep(pbx: ScriptedPbx, *, rounds: int, raising: type[Exception] | None = None) -> list[Reason]:
    served, failures = 0, list[Reason]()

    async def serve(ari: Ari) -> None:
        nonlocal served
        served += 1
        if raising is not None:
            raise raising
        closing = asyncio.create_task(pbx.sockets[-1].close())
        await hear(ari, [])
        await closing

    async def failed(reason: Reason) -> None:
        failures.append(reason)

    listening = asyncio.create_task(keep_listening(pbx.login, serve=serve, failed=failed))
    try:
        await eventually(lambda: served >= rounds or listening.done())
        if listening.done():
            listening.result()
    finally:
        listening.cancel()
    return failures


def test_a_lost_socket_is_connected_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.asterisk.listener.FIRST_WAIT", 0.001)

    async def work() -> None:
        async with scripted() as pbx:
            assert set(await _keep(pbx, rounds=3)) == {Reason.PBX_DOWN}
            assert len(pbx.sockets) >= 3

    run(work())


def test_whoever_was_replaced_does_not_come_back() -> None:
    async def work() -> None:
        async with scripted() as pbx:
            with pytest.raises(TakenError):
                await _keep(pbx, rounds=2, raising=TakenError)
            assert len(pbx.sockets) == 1

    run(work())


@pytest.mark.parametrize(
    ("version", "rest", "media", "wide"),
    [
        ("18.26.4", False, False, False),
        ("20.13.0", False, False, False),
        ("20.14.0", True, False, False),
        ("20.17.0", True, False, True),
        ("21.9.1", True, False, False),
        ("22.3.0", False, False, False),
        ("22.4.0", True, False, False),
        ("22.8.2", True, False, True),
        ("22.9.0", True, True, True),
        ("22.10.1", True, True, True),
        ("23.0.0", True, False, False),
        ("23.3.0", True, True, True),
        ("24.0.0-rc1", True, True, True),
        ("certified-20.7-cert4", False, False, False),
        ("GIT-master-abc", False, False, False),
    ],
)
def test_what_a_version_can(version: str, rest: bool, media: bool, wide: bool) -> None:
    found = Version(version)
    assert (found.has_rest_over_socket, found.has_websocket_media, found.has_wide_audiosocket) == (rest, media, wide)


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (500, b'{"error": "Allocation failed"}', Reason.TRUNK_REFUSED),
        (500, b'{"message": "Allocation failed"}', None),
        (500, b"<html>", None),
        (503, b'{"error": "Allocation failed"}', None),
        (400, b'{"message": "Bad format"}', Reason.TRUNK_REFUSED),
        (403, b'{"message": "Write access denied"}', Reason.PBX_REFUSED),
    ],
)
def test_which_refusals_prove_that_nothing_was_dialled(status: int, body: bytes, reason: Reason | None) -> None:
    assert never_dialled(Reply(status=status, headers={}, body=body)) is reason


@pytest.mark.parametrize(
    ("url", "socket"),
    [
        ("http://pbx.test:8088", "ws://pbx.test:8088/media/1"),
        ("https://pbx.test", "wss://pbx.test/media/1"),
        ("https://pbx.test/asterisk/", "wss://pbx.test/asterisk/media/1"),
    ],
)
def test_sockets_are_on_the_same_server(url: str, socket: str) -> None:
    login = Login(url=url, app="a", username="u", password="p")
    assert login.socket_url("/media/1") == socket
