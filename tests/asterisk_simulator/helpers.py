"""Somebody who uses the simulated PBX over the wire, without our client."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

Json = dict[str, Any]
APP = "shop"
NUMBER = "+15550100101"
LOGIN = ("aispinner", "aispinner")
_WITHIN = 10.0


class Pbx:
    """ARI by HTTP and the control API; `listen` opens an event socket."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, auth=LOGIN, timeout=_WITHIN)

    def ari(self, method: str, path: str, body: Json | None = None) -> httpx.Response:
        return self.http.request(method, f"/ari/{path}", json=body)

    def sim(self, path: str, body: Any = None) -> Any:
        answer = self.http.get(f"/_sim/{path}") if body is None else self.http.post(f"/_sim/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def script(self, **script: Any) -> None:
        """What becomes of the next dials, whatever the number."""
        self.sim("script", {"*": script})

    def dial(self, channel_id: str = "call", **more: Any) -> httpx.Response:
        return self.ari("POST", f"channels/{channel_id}", {"endpoint": f"PJSIP/{NUMBER}@trunk", "app": APP, **more})

    def ledger(self) -> list[Json]:
        return list(self.sim("ledger")["entries"])

    def ended(self) -> Json:
        """The first dial, once it is over."""
        deadline = time.monotonic() + _WITHIN
        while self.ledger()[0]["ended_at"] is None:
            assert time.monotonic() < deadline, "the dial does not end"
        return self.ledger()[0]

    def socket_url(self, path: str) -> str:
        return self.url.replace("http://", "ws://") + path

    @contextmanager
    def listen(self, app: str = APP) -> Iterator[Listener]:
        key = ":".join(LOGIN)
        with connect(self.socket_url(f"/ari/events?app={app}&api_key={key}"), close_timeout=1) as socket:
            yield Listener(socket)

    @contextmanager
    def media(self, channel_id: str = "media", **more: Any) -> Iterator[Media]:
        """A media channel in server mode, connected to."""
        answer = self.ari("POST", "channels/externalMedia", {**WEBSOCKET, "channelId": channel_id, **more})
        assert answer.status_code == 200, answer.text
        address = self.socket_url("/media/" + answer.json()["channelvars"]["MEDIA_WEBSOCKET_CONNECTION_ID"])
        with connect(address, subprotocols=["media"], ping_interval=None, close_timeout=1) as socket:  # type: ignore[list-item]
            yield Media(socket)


WEBSOCKET: Json = {
    "app": APP,
    "transport": "websocket",
    "encapsulation": "none",
    "connection_type": "server",
    "format": "slin16",
    "transport_data": "f(json)",
}


class Listener:
    """An event socket. Everything heard is kept in `events`."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.events: list[Json] = []

    def until(self, kind: str, channel_id: str | None = None, **fields: Any) -> Json:
        """Read on until such an event comes."""

        def fits(event: Json) -> bool:
            channel = event.get("channel") or event.get("peer") or {}
            named = channel_id is None or channel.get("id") == channel_id
            return event["type"] == kind and named and all(event.get(name) == value for name, value in fields.items())

        return self.read(fits)

    def read(self, fits: Callable[[Json], bool]) -> Json:
        while True:
            event: Json = json.loads(self.socket.recv(timeout=_WITHIN))
            self.events.append(event)
            if fits(event):
                return event

    def ask(self, method: str, uri: str, body: Json | None = None) -> Json:
        """A request over the socket, and its answer."""
        content = {} if body is None else {"content_type": "application/json", "message_body": json.dumps(body)}
        request = {"type": "RESTRequest", "request_id": uri, "method": method, "uri": uri, **content}
        self.socket.send(json.dumps(request))
        return self.until("RESTResponse", request_id=uri)

    def heard(self) -> list[str]:
        """Types (and what a Dial said) in order, without the chatter of variables."""
        return [
            f"Dial {event['dialstatus']}".strip() if event["type"] == "Dial" else event["type"]
            for event in self.events
            if event["type"] not in ("ChannelVarset", "RESTResponse")
        ]


class Media:
    """The app's end of a media WebSocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    def command(self, name: str, **fields: Any) -> None:
        self.socket.send(json.dumps({"command": name, **fields}))

    def until(self, event: str) -> Json:
        while True:
            message = self.socket.recv(timeout=_WITHIN)
            if isinstance(message, str) and json.loads(message)["event"] == event:
                return dict(json.loads(message))

    def status(self) -> Json:
        self.command("GET_STATUS")
        return self.until("STATUS")

    def audio(self, frames: int) -> bytes:
        """The next frames that arrive."""
        heard: list[bytes] = []
        while len(heard) < frames:
            message = self.socket.recv(timeout=_WITHIN)
            if isinstance(message, bytes):
                heard.append(message)
        return b"".join(heard)


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
