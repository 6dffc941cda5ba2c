"""The voice bridge under load: phone legs over Asterisk's media socket, beside legs from browsers (WebRTC).

The bridge is the real process, with its database, recordings and control API; agents and callers are played here. Every
agent speaks half of the time. Streams a core are extrapolated from the processor time that the bridge used for the
sound that it carried. Latency is what the bridge adds, from one socket to the other: once a second a caller, and now
and then the agent, makes a sound that stands out. On a machine that is busy with other things, latency says nothing.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import math
import os
import statistics
import subprocess
import sys
import time
from array import array
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import orjson
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.bench.databases import in_a_thread
from tests.bench.rows import Figures, Goal, Row
from tests.bench.servers import ROOT, Server

PHONES, BROWSERS = 40, 6
WARM_SECS, MEASURED_SECS = 4.0, 10.0
RATE, FRAME = 16000, 640
QUIET = array("h", [200, -200] * 160).tobytes()
LOUD = array("h", [int(16000 * math.sin(math.pi * n / 10)) for n in range(320)]).tobytes()
STANDS_OUT = 6000
METADATA = {
    "type": "conversation_initiation_metadata",
    "conversation_initiation_metadata_event": {
        "conversation_id": "",
        "agent_output_audio_format": "pcm_16000",
        "user_input_audio_format": "pcm_16000",
    },
}


@dataclass
class Stream:
    """One call, and when each side last made a sound that stands out."""

    called_at: float = 0.0
    answered_at: float = 0.0


@dataclass
class World:
    """All agents and callers."""

    streams: dict[str, Stream] = field(default_factory=dict)
    to_agent: list[float] = field(default_factory=list)
    to_caller: list[float] = field(default_factory=list)
    port: int = 0
    up: int = 0
    carried: int = 0  # bytes that agents heard
    measuring: bool = False

    def answer_http(self, _connection: Any, request: Request) -> Response | None:
        """The address of an agent's socket, to whoever asks for it."""
        if "get-signed-url" not in request.path:
            return None
        body = orjson.dumps({"signed_url": f"ws://127.0.0.1:{self.port}/agent"})
        headers = Headers([("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return Response(HTTPStatus.OK, "OK", headers, body)

    async def carry(self, socket: ServerConnection) -> None:
        """A connection of the bridge: an agent's, or a call's media."""
        path = socket.request.path if socket.request is not None else ""
        with contextlib.suppress(ConnectionClosed):
            if path == "/agent":
                await self._agent(socket)
            else:
                await self._caller(socket, self.streams[path.rpartition("/")[2]])

    async def _agent(self, socket: ServerConnection) -> None:
        begun = orjson.loads(await socket.recv())
        call_id = begun["user_id"]
        stream = self.streams[call_id]
        event = METADATA["conversation_initiation_metadata_event"] | {"conversation_id": f"conv_{call_id}"}  # type: ignore[operator]
        await socket.send(orjson.dumps({**METADATA, "conversation_initiation_metadata_event": event}).decode())
        self.up += 1
        speaking = asyncio.ensure_future(self._speak(socket, stream))
        try:
            async for message in socket:
                sound = base64.b64decode(orjson.loads(message).get("user_audio_chunk", ""))
                self.carried += len(sound)
                if stream.called_at and sound:
                    stream.called_at = self._heard(sound, stream.called_at, self.to_agent)
        finally:
            speaking.cancel()

    async def _speak(self, socket: ServerConnection, stream: Stream) -> None:
        """Two seconds of speech a little faster than they are heard, a pause, a click, a pause."""
        number = 0
        while True:
            for _ in range(8):
                number += 1
                await socket.send(_audio(QUIET * 12, number))
                await asyncio.sleep(0.2)
            await asyncio.sleep(1.2)
            number += 1
            stream.answered_at = time.monotonic()
            await socket.send(_audio(LOUD, number))
            await asyncio.sleep(1.2)

    async def _caller(self, socket: ServerConnection, stream: Stream) -> None:
        await socket.send('{"event":"MEDIA_START","format":"slin16"}')
        talking = asyncio.ensure_future(self._talk(socket.send, stream))
        try:
            async for message in socket:
                if stream.answered_at and isinstance(message, bytes):
                    stream.answered_at = self._heard(message, stream.answered_at, self.to_caller)
        finally:
            talking.cancel()

    async def _talk(self, send: Callable[[bytes], Any], stream: Stream) -> None:
        loop = asyncio.get_running_loop()
        due, number = loop.time(), 0
        while True:
            number += 1
            click = number % 50 == 0
            if click:
                stream.called_at = time.monotonic()
            await send(LOUD if click else QUIET)
            due += 0.02
            await asyncio.sleep(max(0.0, due - loop.time()))

    def _heard(self, pcm: bytes, since: float, into: list[float]) -> float:
        """Note how long the sound took, where this is it; when it was made, while it is waited for."""
        if max(array("h", pcm[: len(pcm) // 2 * 2]), default=0) < STANDS_OUT:
            return since
        if self.measuring:
            into.append((time.monotonic() - since) * 1000)
        return 0.0


def _audio(pcm: bytes, number: int) -> str:
    event = {"audio_base_64": base64.b64encode(pcm).decode(), "event_id": number}
    return orjson.dumps({"type": "audio", "audio_event": event}).decode()


def phones() -> Figures:
    """Calls over Asterisk's media socket."""
    return asyncio.run(_measured(PHONES, _ring_phones))


def browsers() -> Figures:
    """Calls from browsers, here aiortc's."""
    return asyncio.run(_measured(BROWSERS, _ring_browsers))


async def _measured(streams: int, ring: Callable[[World, list[str]], Any]) -> Figures:
    world = World()
    call_ids = await in_a_thread(_calls, streams)
    world.streams = {call_id: Stream() for call_id in call_ids}
    async with serve(world.carry, "127.0.0.1", 0, process_request=world.answer_http, max_size=None) as server:
        world.port = next(iter(server.sockets)).getsockname()[1]
        with bridge(world.port) as process:
            await in_a_thread(_wait_for_row)
            memory = _rss(process.pid)
            async with ring(world, call_ids):
                await asyncio.sleep(WARM_SECS)
                world.measuring, used, began = True, process.cpu_seconds(), time.monotonic()
                before = world.carried
                await asyncio.sleep(MEASURED_SECS)
                world.measuring, used, took = False, process.cpu_seconds() - used, time.monotonic() - began
                carried, grown = world.carried - before, _rss(process.pid) - memory
    return {
        "streams/core": carried / (2 * RATE) / used,
        "carried": carried / (2 * RATE) / took / streams,
        "to agent p50 ms": statistics.median(world.to_agent),
        "to agent p99 ms": statistics.quantiles(world.to_agent, n=100)[98],
        "to caller p50 ms": statistics.median(world.to_caller),
        "to caller p99 ms": statistics.quantiles(world.to_caller, n=100)[98],
        "MB/stream": grown / streams / 1e6,
    }


@contextlib.asynccontextmanager
async def _ring_phones(world: World, call_ids: list[str]) -> AsyncIterator[None]:
    from telephony.voice.bridges import WebSocketMedia, open_session, pick_bridge

    def open_one(call_id: str) -> None:
        room = pick_bridge()
        assert room is not None
        media = WebSocketMedia(url=f"ws://127.0.0.1:{world.port}/media/{call_id}")
        open_session(room=room, call_id=call_id, media=media)

    for number, call_id in enumerate(call_ids, start=1):
        await in_a_thread(open_one, call_id)
        await _until(lambda number=number: world.up == number)  # type: ignore[misc]
    yield


@contextlib.asynccontextmanager
async def _ring_browsers(world: World, call_ids: list[str]) -> AsyncIterator[None]:
    from tests.voice.browser import Browser

    open_browsers: list[Browser] = []
    tasks: list[asyncio.Task[None]] = []
    for call_id in call_ids:
        browser = Browser()
        open_browsers.append(browser)
        await browser.accept(await in_a_thread(_open_web, call_id, await browser.offer()))
        await _until(lambda: world.up == len(open_browsers))
        tasks.append(asyncio.ensure_future(_listen(world, browser, world.streams[call_id])))
        tasks.append(asyncio.ensure_future(world._talk(_into(browser), world.streams[call_id])))
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*(browser.close() for browser in open_browsers))


def _into(browser: Any) -> Callable[[bytes], Any]:
    async def send(pcm: bytes) -> None:
        browser.voice.words += pcm

    return send


async def _listen(world: World, browser: Any, stream: Stream) -> None:
    while True:
        await asyncio.sleep(0.01)
        heard = bytes(browser.heard)
        browser.heard.clear()
        if stream.answered_at and heard:
            stream.answered_at = world._heard(heard, stream.answered_at, world.to_caller)


def _open_web(call_id: str, offer: str) -> str:
    from django.utils import timezone

    from telephony.models import Call, SessionKind, VoiceSession
    from telephony.voice.bridges import answer_of, pick_bridge

    room = pick_bridge()
    assert room is not None
    answer = answer_of(room, "POST", "/sessions/web", {"call_id": call_id, "sdp": offer})
    VoiceSession.objects.create(
        call=Call.objects.get(call_id=call_id),
        bridge_id=room.bridge_id,
        kind=SessionKind.WEB,
        opened_at=timezone.now(),
    )
    return str(answer["sdp"])


def _calls(count: int) -> list[str]:
    """Calls that are up, of an agent."""
    from aispinner.core.models import NodeType
    from telephony.models import CallStatus
    from tests.factories import make_agent, make_key, make_node, make_workspace
    from tests.journal.rows import make_call

    workspace = make_workspace("Bench")
    key = make_key(workspace=workspace)
    agent = make_agent(node=make_node(workspace=workspace, type=NodeType.AGENT), account=key.account)
    return [
        make_call(workspace=workspace, agent=agent.node, account=key.account, status=CallStatus.IN_PROGRESS).call_id
        for _ in range(count)
    ]


@contextlib.contextmanager
def bridge(port: int) -> Iterator[Server]:
    """`manage.py voice`, whose agents are at `port`."""
    environment = {**os.environ, "ELEVENLABS_BASE_URL": f"http://127.0.0.1:{port}", "VOICE_GRACE_SECONDS": "0"}
    argv = [sys.executable, "manage.py", "voice"]
    process = subprocess.Popen(argv, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield Server(0, process.pid)
    finally:
        process.terminate()
        process.wait(60)


def _wait_for_row() -> None:
    from telephony.voice.bridges import pick_bridge

    until = time.monotonic() + 60
    while pick_bridge() is None:
        assert time.monotonic() < until, "the bridge does not start"
        time.sleep(0.1)


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not is_so():
            await asyncio.sleep(0.05)


def _rss(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


VOICE = Row(
    name="voice",
    says=f"{PHONES} phone legs in one bridge; as the rival, {BROWSERS} legs from browsers in the same bridge",
    measure=phones,
    rival=browsers,
    goals=(
        Goal(
            what="streams a core, phone legs (extrapolated)",
            figure=lambda mine, _theirs: mine["streams/core"],
            at_least=70,
        ),
        Goal(
            what="added latency p50, caller to agent",
            figure=lambda mine, _t: mine["to agent p50 ms"],
            at_most=60,
            unit=" ms",
        ),
        Goal(
            what="added latency p50, agent to caller",
            figure=lambda mine, _t: mine["to caller p50 ms"],
            at_most=60,
            unit=" ms",
        ),
        Goal(what="of what was said, heard in time", figure=lambda mine, _t: mine["carried"], at_least=0.98),
        Goal(what="memory of a stream", figure=lambda mine, _t: mine["MB/stream"], at_most=5, unit=" MB"),
    ),
)
