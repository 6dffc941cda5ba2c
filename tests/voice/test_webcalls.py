"""Calls from a browser: connected, talked, recorded, hung up, and written down as they go."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from agents.models import Agent
from aispinner.core.models import NodeType
from integrations.calls import Direction
from integrations.models import Account, ElevenLabsKey, KeyStatus
from telephony.inbound.look import look
from telephony.models import Call, CallEvent, SessionKind, VoiceSession
from telephony.voice import bridges
from telephony.voice.process import Bridge
from tests.factories import make_node, make_workspace
from tests.integrations.conftest import Sim
from tests.journal.rows import make_call
from tests.simulator.helpers import eventually, mp3_info
from tests.voice.browser import QUIET, Browser
from tests.voice.loops import Loop
from tests.voice.sounds import loudness, tone

START = {"agent_node_id": "agent_xyz", "sdp": "v=0"}


@pytest.fixture
def api(client_for: Callable[[User], APIClient], editor: User) -> APIClient:
    return client_for(editor)


@contextmanager
def called(api: APIClient, loop: Loop) -> Iterator[tuple[Browser, Call]]:
    """A browser in a call with the agent."""
    browser = loop.run(_browser())
    answer = api.post("/webcall/start", {**START, "sdp": loop.run(browser.offer())})
    assert answer.status_code == 200, answer.content
    try:
        loop.run(browser.accept(answer.json()["sdp"]))
        yield browser, Call.objects.get(call_id=answer.json()["call_id"])
    finally:
        loop.run(browser.close())


async def _browser() -> Browser:
    return Browser()


def until(call: Call, is_so: Callable[[Call], object]) -> Call:
    """The call once `is_so` of it."""

    def look_again() -> Call | None:
        call.refresh_from_db()
        return call if is_so(call) else None

    return eventually(look_again, within=20)


def turns(call: Call) -> list[str]:
    return [turn["role"] for turn in json.loads(call.transcript)]


def test_a_browser_talks_with_the_agent(bridge: Bridge, agent: Agent, loop: Loop, sim: Sim, api: APIClient) -> None:
    with called(api, loop) as (browser, call):
        assert (call.status, call.direction) == ("dialing", "web")
        eventually(lambda: loudness(bytes(browser.heard)) > QUIET)
        until(call, lambda call: call.status == "in_progress")
        browser.voice.words += tone(440, 1.0)
        until(call, lambda call: turns(call)[:2] == ["agent", "user"])
        assert api.post("/webcall/hangup", {"call_id": call.call_id}).status_code == 200
        until(call, lambda call: call.has_audio)
    assert (call.status, call.outcome, call.reason) == ("done", "answered", "")
    session = VoiceSession.objects.get()
    assert (session.kind, session.end_reason, session.bridge_id) == ("web", "hung_up", bridge.house.bridge_id)
    events = list(CallEvent.objects.filter(call=call).order_by("pk").values_list("type", "data"))
    statuses = [data["status"] for type_, data in events if type_ == "status"]
    assert statuses == ["dialing", "ringing", "in_progress", "done"]
    said = {(data["index"], data["role"]) for type_, data in events if type_ == "turn"}
    assert said >= {(0, "agent"), (1, "user")}
    recording: Any = api.get(f"/webcall/audio/{call.call_id}.mp3")
    info = mp3_info(b"".join(recording.streaming_content))
    assert (info.channels, info.sample_rate) == (2, 16000)
    assert info.length == pytest.approx(call.duration_sec, abs=1.5)


def test_the_providers_record_settles_it_and_makes_no_second_call(
    bridge: Bridge, agent: Agent, loop: Loop, sim: Sim, api: APIClient
) -> None:
    with called(api, loop) as (_, call):
        until(call, lambda call: call.status == "in_progress")
        api.post("/webcall/hangup", {"call_id": call.call_id})
        until(call, lambda call: call.ended_at)

    def settled(call: Call) -> object:
        Account.objects.update(next_look_at=call.created_at)
        look(call.account_id or 0)
        return call.settled_at

    until(call, settled)
    assert call.summary
    assert call.disposition
    assert Call.objects.count() == 1


def test_who_closes_the_page_has_hung_up(bridge: Bridge, agent: Agent, loop: Loop, api: APIClient) -> None:
    with called(api, loop) as (_, call):
        until(call, lambda call: call.status == "in_progress")
    until(call, lambda call: call.ended_at)
    assert (call.status, VoiceSession.objects.get().end_reason) == ("done", "caller_left")


def test_an_agent_that_hangs_up_ends_the_call_after_its_last_words(
    bridge: Bridge, agent: Agent, loop: Loop, sim: Sim, api: APIClient
) -> None:
    sim.control(
        "sockets", {"*": {"words_per_second": 20, "think_ms": 10, "silence_ms": 100, "pace": 0.01, "end_after": 1}}
    )
    with called(api, loop) as (browser, call):
        until(call, lambda call: call.status == "in_progress")
        browser.voice.words += tone(440, 0.4)
        until(call, lambda call: call.ended_at)
        loop.run(browser.gone.wait())
    assert (call.status, VoiceSession.objects.get().end_reason) == ("done", "agent_left")


@pytest.mark.parametrize(
    ("body", "status", "about"),
    [
        ({}, 422, "agent_node_id"),
        ({**START, "sdp": 5}, 422, "sdp"),
        ({**START, "sdp": ""}, 422, "sdp"),
        ({**START, "agent_node_id": "nowhere"}, 404, "Node not found"),
        ({**START, "more": 1}, 422, "no such field"),
    ],
)
def test_a_bad_start_is_refused_with_a_sentence(
    db: None, agent: Agent, api: APIClient, body: dict[str, Any], status: int, about: str
) -> None:
    answer = api.post("/webcall/start", body)
    assert answer.status_code == status
    assert about in answer.content.decode()
    assert not Call.objects.exists()


def test_without_a_bridge_the_start_says_so(db: None, agent: Agent, api: APIClient) -> None:
    answer = api.post("/webcall/start", START)
    assert answer.status_code == 503
    assert "manage.py voice" in answer.json()["detail"]
    assert not Call.objects.exists()


def test_a_workspace_has_so_many_web_calls_at_once_and_no_more(
    agent: Agent, editor: User, api: APIClient, settings: Settings
) -> None:
    settings.WEB_CALLS_PER_WORKSPACE = 2
    calls = [make_call(workspace=agent.workspace, direction=Direction.WEB) for _ in range(2)]
    for call in calls:
        VoiceSession.objects.create(call=call, kind=SessionKind.WEB, opened_at=timezone.now())
    phone, elsewhere = make_call(workspace=agent.workspace), make_call(workspace=make_workspace())
    VoiceSession.objects.create(call=phone, kind=SessionKind.PHONE, opened_at=timezone.now())
    VoiceSession.objects.create(call=elsewhere, kind=SessionKind.WEB, opened_at=timezone.now())
    answer = api.post("/webcall/start", START)
    assert (answer.status_code, "has 2 calls from browsers" in answer.json()["detail"]) == (409, True)
    VoiceSession.objects.filter(call=calls[0]).update(ended_at=timezone.now())
    assert api.post("/webcall/start", START).status_code == 503  # it is no bridge that is missing next


def test_of_two_starts_at_one_moment_the_one_too_many_holds_nothing(
    bridge: Bridge, agent: Agent, loop: Loop, api: APIClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other's call is written while a bridge answers ours."""
    settings.WEB_CALLS_PER_WORKSPACE = 1

    def meanwhile(*asked: Any) -> Any:
        answer = bridges.answer_of(*asked)
        call = make_call(workspace=agent.workspace, direction=Direction.WEB)
        VoiceSession.objects.create(call=call, kind=SessionKind.WEB, opened_at=timezone.now())
        return answer

    monkeypatch.setattr("telephony.voice.webcalls.answer_of", meanwhile)
    browser = loop.run(_browser())
    answer = api.post("/webcall/start", {**START, "sdp": loop.run(browser.offer())})
    loop.run(browser.close())
    assert answer.status_code == 409
    assert Call.objects.count() == 1
    eventually(lambda: not bridge.house.held)


@pytest.mark.parametrize(
    "sdp",
    [
        "v=0",
        "nonsense",
        "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n",
        "m=\r\n" * 50,
        "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" * 1500,
    ],
)
def test_an_offer_that_is_none_is_refused(bridge: Bridge, agent: Agent, api: APIClient, sdp: str) -> None:
    answer = api.post("/webcall/start", {**START, "sdp": sdp})
    assert answer.status_code == 422
    assert answer.json()["errors"]["sdp"]
    assert not Call.objects.exists()
    assert not bridge.house.held


def test_an_offer_with_a_thousand_addresses_to_knock_at_is_refused(
    bridge: Bridge, agent: Agent, loop: Loop, api: APIClient
) -> None:
    browser = loop.run(_browser())
    sdp = loop.run(browser.offer())
    candidates = "".join(f"a=candidate:{n} 1 udp 1 192.0.2.1 {n} typ host\r\n" for n in range(1, 900))
    answer = api.post("/webcall/start", {**START, "sdp": sdp + candidates})
    loop.run(browser.close())
    assert (answer.status_code, bridge.house.held) == (422, {})
    assert not Call.objects.exists()


def test_an_agent_without_a_working_key_is_refused(db: None, agent: Agent, api: APIClient) -> None:
    ElevenLabsKey.objects.update(status=KeyStatus.REFUSED)
    assert "key" in api.post("/webcall/start", START).json()["detail"]


def test_a_node_without_an_agent_is_refused(db: None, agent: Agent, api: APIClient) -> None:
    make_node(workspace=agent.workspace, type=NodeType.AGENT, node_id="empty")
    answer = api.post("/webcall/start", {**START, "agent_node_id": "empty"})
    assert answer.status_code == 422
    assert "adopt" in answer.json()["detail"]


def test_only_web_calls_are_web_calls(db: None, agent: Agent, api: APIClient) -> None:
    call = make_call(workspace=agent.workspace, has_audio=True)
    assert api.post("/webcall/connected", {"call_id": call.call_id}).status_code == 404
    assert api.get(f"/webcall/audio/{call.call_id}.mp3").status_code == 404
