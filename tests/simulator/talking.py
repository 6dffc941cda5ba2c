"""The agents' conversation socket as a client sees it, and what tests say to it."""

from __future__ import annotations

import base64
import json
import math
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.simulator.helpers import AGENT, Caller, Json

QUICK = {"words_per_second": 40, "think_ms": 10, "silence_ms": 100, "ping_secs": 0.1}
INITIATION = {"type": "conversation_initiation_client_data"}
NOTHING_NEW = ("ping", "audio")


def tone(secs: float, *, rate: int = 16_000, loudness: int = 8000) -> bytes:
    """Somebody speaking, as far as an ear for loudness can tell: 16-bit PCM."""
    return array("h", [int(loudness * math.sin(n * 0.3)) for n in range(int(secs * rate))]).tobytes()


class Talk:
    """A conversation as a client sees it; every event that came is kept."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.events: list[Json] = []

    def send(self, frame: Any) -> None:
        with suppress(ConnectionClosed):  # then reading on tells why
            self.socket.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))

    def say(self, pcm: bytes, *, piece_secs: float = 0.1) -> None:
        """Audio in pieces, all at once: the ear counts samples, not seconds."""
        size = int(32_000 * piece_secs)
        for start in range(0, len(pcm), size):
            self.send({"user_audio_chunk": base64.b64encode(pcm[start : start + size]).decode()})

    def next(self, *, within: float = 3.0) -> Json:
        event: Json = json.loads(self.socket.recv(timeout=within))
        self.events.append(event)
        if event["type"] == "ping":
            self.send({"type": "pong", "event_id": event["ping_event"]["event_id"]})
        return event

    def until(self, kind: str) -> Json:
        """The next event of that kind: what is in it."""
        while True:
            event = self.next()
            if event["type"] == kind:
                payload: Json = next(value for name, value in event.items() if name != "type")
                return payload

    def kinds(self, *, without: tuple[str, ...] = NOTHING_NEW) -> list[str]:
        return [event["type"] for event in self.events if event["type"] not in without]

    def close_code(self) -> int:
        """Read on until the server closes."""
        try:
            while True:
                self.next(within=8)
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            return closed.rcvd.code

    def error(self) -> tuple[int, str]:
        """The close code, and the error_type of the error event before it."""
        code = self.close_code()
        event = self.events[-1]
        assert event["type"] == "error"
        assert event["error_event"]["code"] == code
        return code, event["error_event"]["error_type"]


@contextmanager
def talking(address: str, first: Any = INITIATION) -> Iterator[Talk]:
    with connect(address, proxy=None, close_timeout=1) as socket:
        talk = Talk(socket)
        if first is not None:
            talk.send(first)
        yield talk


def signed(sim: Caller, agent_id: str = AGENT, **more: Any) -> str:
    url = sim.get("/v1/convai/conversation/get-signed-url", agent_id=agent_id, **more)["signed_url"]
    return str(url)


def public(sim: Caller, agent_id: str = AGENT) -> str:
    return f"{sim.url.replace('http', 'ws')}/v1/convai/conversation?agent_id={agent_id}"


def behave(sim: Caller, **script: Any) -> None:
    sim.post("/_sim/sockets", {"*": {**QUICK, **script}})


def change(sim: Caller, agent_id: str = AGENT, **body: Any) -> None:
    assert sim.http.patch(f"/v1/convai/agents/{agent_id}", json=body).status_code == 200


def timeline(sim: Caller, conversation_id: str) -> Any:
    return sim.get("/_sim/sockets", conversation_id=conversation_id)["conversations"][0]["events"]


def marks(sim: Caller, conversation_id: str, what: str) -> list[Json]:
    return [event for event in timeline(sim, conversation_id) if event["what"] == what]
