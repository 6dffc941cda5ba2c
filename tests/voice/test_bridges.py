"""Bridges as rows: found while they live and have room, handed calls, ended with their calls when they die."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.db.models.functions import Now
from django.utils import timezone

from agents.models import Agent
from integrations.calls import Direction
from telephony.models import Call, CallStatus, SessionKind, VoiceBridge, VoiceSession
from telephony.voice.bridges import (
    BridgeRefusedError,
    Room,
    WebSocketMedia,
    close_session,
    control_token,
    has_room,
    open_session,
    opens_control,
    pick_bridge,
)
from telephony.voice.process import Bridge
from telephony.voice.sweep import end_lost_sessions
from tests.journal.rows import make_call
from tests.simulator.helpers import eventually
from tests.voice.asterisk import MediaSocketCaller
from tests.voice.loops import Loop
from tests.voice.sounds import loudness, tone


@pytest.fixture
def long_lived(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database of tests has not been up for long."""
    monkeypatch.setattr("telephony.voice.sweep._database_is_up_for_long", lambda: True)


def make_bridge(*, silent: float = 0, capacity: int = 2, stopping: bool = False) -> VoiceBridge:
    """A bridge's row, its last sign of life `silent` seconds ago."""
    bridge = VoiceBridge.objects.create(
        address="http://127.0.0.1:1",
        audiosocket="127.0.0.1:2",
        capacity=capacity,
        stopping=stopping,
        started_at=timezone.now(),
        seen_at=timezone.now(),
    )
    VoiceBridge.objects.filter(pk=bridge.pk).update(seen_at=Now() - timedelta(seconds=silent))
    return bridge


def talking(agent: Agent, bridge: VoiceBridge | None = None, **fields: Any) -> Call:
    """A call that is up; with a session at `bridge`, where given."""
    call = make_call(
        workspace=agent.workspace, agent=agent.node, account=agent.account, status=CallStatus.IN_PROGRESS,
        direction=Direction.WEB, answered_at=timezone.now(), duration_sec=0, **fields,
    )  # fmt: skip
    if bridge is not None:
        VoiceSession.objects.create(call=call, bridge=bridge, kind=SessionKind.WEB, opened_at=timezone.now())
    return call


def test_the_least_loaded_live_bridge_is_picked(agent: Agent) -> None:
    make_bridge(silent=6)
    make_bridge(stopping=True)
    full, busy, idle = make_bridge(capacity=1), make_bridge(capacity=4), make_bridge(capacity=4)
    talking(agent, full)
    talking(agent, busy)
    picked = pick_bridge()
    assert picked is not None
    assert picked.bridge_id == idle.id
    assert has_room() == 3 + 4


def test_without_a_live_bridge_there_is_no_room(db: None) -> None:
    make_bridge(silent=6)
    assert pick_bridge() is None
    assert has_room() == 0


def test_a_dead_bridges_calls_end_and_others_go_on(agent: Agent, long_lived: None) -> None:
    dead, alive = make_bridge(silent=6), make_bridge()
    lost, signed_off = talking(agent, dead, conversation_id="conv_1"), talking(agent, make_bridge())
    held = talking(agent, alive)
    VoiceSession.objects.filter(call=signed_off).update(bridge=None)
    assert end_lost_sessions() == 2
    for call in (lost, signed_off, held):
        call.refresh_from_db()
    assert (lost.status, lost.outcome, lost.reason, lost.settled_at) == ("failed", "error", "bridge_lost", None)
    assert (signed_off.status, signed_off.settled_at is not None) == ("failed", True)
    assert held.status == "in_progress"
    assert VoiceSession.objects.get(call=lost).end_reason == "bridge_lost"
    assert end_lost_sessions() == 0


def test_a_bridge_that_is_gone_is_said_so_and_its_row_is_taken_back(agent: Agent) -> None:
    bridge, call = make_bridge(), talking(agent)
    room = Room(bridge_id=bridge.id, address=bridge.address, audiosocket="")
    with pytest.raises(BridgeRefusedError) as refused:
        open_session(room=room, call_id=call.call_id, media=WebSocketMedia(url="ws://127.0.0.1:1/"))
    assert refused.value.reason == "gone"
    assert not VoiceSession.objects.exists()


def test_the_secret_opens_one_bridge() -> None:
    assert opens_control(control_token("bridge_a"), bridge_id="bridge_a")
    assert not opens_control(control_token("bridge_a"), bridge_id="bridge_b")
    assert not opens_control("", bridge_id="")


@contextmanager
def phone(loop: Loop) -> Iterator[tuple[MediaSocketCaller, WebSocketMedia]]:
    """A caller at a media socket of Asterisk."""
    from websockets.asyncio.server import serve
    from websockets.typing import Subprotocol

    caller = MediaSocketCaller()

    async def start() -> Any:
        return await serve(caller.carry, "127.0.0.1", 0, subprotocols=[Subprotocol("media")])

    async def stop() -> None:
        server.close()
        await server.wait_closed()

    server = loop.run(start())
    port = next(iter(server.sockets)).getsockname()[1]
    try:
        yield caller, WebSocketMedia(url=f"ws://127.0.0.1:{port}/media/1")
    finally:
        loop.run(stop())


def open_at(bridge: Bridge, call: Call, media: WebSocketMedia) -> None:
    room = pick_bridge()
    assert room is not None
    assert room.bridge_id == bridge.house.bridge_id
    open_session(room=room, call_id=call.call_id, media=media)


def test_a_phone_call_is_talked_and_ended_from_outside(bridge: Bridge, agent: Agent, loop: Loop) -> None:
    call = talking(agent)
    with phone(loop) as (caller, media):
        open_at(bridge, call, media)
        eventually(lambda: loudness(bytes(caller.ear)) > 20)
        caller.says += tone(440, 1)
        eventually(lambda: '"user"' in Call.objects.get(pk=call.pk).transcript)
        with pytest.raises(BridgeRefusedError) as refused:
            open_session(room=pick_bridge(), call_id=call.call_id, media=media)  # type: ignore[arg-type]
        assert refused.value.reason == "taken"
        assert close_session(call_id=call.call_id, reason="hung_up")
        eventually(lambda: Call.objects.get(pk=call.pk).has_audio)
        loop.run(caller.gone.wait())
    call.refresh_from_db()
    assert (call.status, call.outcome, call.duration_sec > 0) == ("done", "answered", True)
    assert not close_session(call_id=call.call_id, reason="hung_up")


def test_an_agent_that_is_not_let_in_fails_the_call_with_the_reason(bridge: Bridge, agent: Agent, loop: Loop) -> None:
    Agent.objects.update(elevenlabs_agent_id="agent_gone")
    call = talking(agent)
    with phone(loop) as (_, media):
        open_at(bridge, call, media)
        eventually(lambda: Call.objects.get(pk=call.pk).ended_at)
    call.refresh_from_db()
    assert (call.status, call.outcome, call.reason) == ("failed", "error", "agent_missing")
    assert call.settled_at is not None


def test_beyond_its_capacity_a_bridge_refuses(bridge: Bridge, agent: Agent, loop: Loop) -> None:
    room = pick_bridge()
    assert room is not None
    with phone(loop) as (_, media):
        for _ in range(3):
            open_session(room=room, call_id=talking(agent).call_id, media=media)
        with pytest.raises(BridgeRefusedError) as refused:
            open_session(room=room, call_id=talking(agent).call_id, media=media)
    assert refused.value.reason == "full"


def test_a_bridge_that_stops_refuses_and_ends_its_calls_with_a_reason(bridge: Bridge, agent: Agent, loop: Loop) -> None:
    call = talking(agent)
    with phone(loop) as (caller, media):
        open_at(bridge, call, media)
        eventually(lambda: loudness(bytes(caller.ear)) > 20)
        loop.loop.call_soon_threadsafe(bridge.stop)
        eventually(lambda: not VoiceBridge.objects.exists())
    call.refresh_from_db()
    assert (call.status, call.reason) == ("done", "bridge_stopping")


def test_a_bridge_lets_go_of_a_call_that_was_ended_without_it(
    bridge: Bridge, agent: Agent, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telephony.voice.house.ROW_WITHIN", 0.0)
    call = talking(agent)
    with phone(loop) as (caller, media):
        open_at(bridge, call, media)
        eventually(lambda: loudness(bytes(caller.ear)) > 20)
        VoiceSession.objects.update(ended_at=timezone.now())
        loop.run(asyncio.wait_for(caller.gone.wait(), 10))


def test_the_control_api_is_closed_to_others(bridge: Bridge) -> None:
    address = VoiceBridge.objects.get().address
    assert requests.get(f"{address}/healthz", timeout=5).status_code == 200
    assert requests.post(f"{address}/sessions/web", json={"call_id": "x", "sdp": ""}, timeout=5).status_code == 401
    headers = {"Authorization": f"Bearer {control_token(bridge.house.bridge_id)}"}
    rates = [b'{"call_id": "x", "media": {"kind": "audiosocket", "uuid": "x", "sample_rate": %s}}' % rate
             for rate in (b"[]", b"{}", b"null", b"7", b'"8000"', b"8000")]  # fmt: skip
    for body in (b"nonsense", b"[]", b"[" * 5000, b"\xff", b'{"call_id": 1}', b'{"call_id": "x", "media": 1}', *rates):
        answer = requests.post(f"{address}/sessions/phone", data=body, headers=headers, timeout=5)
        assert answer.status_code == 422
    large = requests.post(f"{address}/sessions/phone", data=b" " * 300_000 + b"{}", headers=headers, timeout=5)
    assert (large.status_code, large.json()) == (422, {"reason": "bad_body"})
    assert not bridge.house.held
    unknown = requests.post(f"{address}/sessions/x/end", json={"reason": "x"}, headers=headers, timeout=5)
    assert unknown.status_code == 404
