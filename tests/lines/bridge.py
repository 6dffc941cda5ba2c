"""A voice bridge without a voice: takes calls, holds their media sockets open, and ends them when a test says so."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from django.db import connection
from django.utils import timezone
from websockets import Subprotocol
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from telephony.models import VoiceBridge, VoiceSession


@dataclass
class ScriptedBridge:
    """`refuses`: the next so many calls are not taken."""

    server: ThreadingHTTPServer
    audio: socket.socket
    refuses: int = 0
    deaf: bool = False  # takes calls, and never connects to their media
    ended: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)
    media: dict[str, ClientConnection | socket.socket] = field(default_factory=dict)
    _uuids: dict[str, str] = field(default_factory=dict)

    def row(self, *, capacity: int = 50) -> VoiceBridge:
        """Alive for as long as any test takes."""
        now = timezone.now()
        host, port = self.server.server_address[:2]
        return VoiceBridge.objects.create(
            address=f"http://{host!s}:{port}",
            audiosocket="{}:{}".format(*self.audio.getsockname()),
            capacity=capacity,
            started_at=now,
            seen_at=now + timedelta(hours=1),
        )

    def take(self, body: dict[str, Any]) -> bool:
        if self.refuses:
            self.refuses -= 1
            return False
        call_id, media = body["call_id"], body["media"]
        self.calls.append(call_id)
        if media["kind"] == "audiosocket":
            self._uuids[media["uuid"].replace("-", "")] = call_id
        elif not self.deaf:
            threading.Thread(target=self._hold_websocket, args=(call_id, media["url"]), daemon=True).start()
        return True

    def end(self, call_id: str) -> bool:
        """We are told that nobody will come."""
        self.ended.append(call_id)
        return bool(VoiceSession.objects.filter(call__call_id=call_id).update(ended_at=timezone.now()))

    def hang_up(self, call_id: str) -> None:
        """The conversation is over: that is written first, then the socket is closed."""
        VoiceSession.objects.filter(call__call_id=call_id).update(ended_at=timezone.now())
        self.die(call_id)

    def die(self, call_id: str) -> None:
        """The socket is closed, and nothing is written."""
        self.dead.add(call_id)
        self.media.pop(call_id).close()

    def _hold_websocket(self, call_id: str, url: str) -> None:
        protocols = [Subprotocol("media")]
        with (
            suppress(ConnectionClosed, OSError, InvalidStatus),
            connect(url, subprotocols=protocols, ping_interval=None) as media,
        ):
            self.media[call_id] = media
            for _ in media:
                pass
        self._left(call_id)

    def hold_audio_sockets(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._hold_audio_socket, args=(self.audio.accept()[0],), daemon=True).start()

    def _hold_audio_socket(self, media: socket.socket) -> None:
        with media, suppress(OSError):
            call_id = self._uuids.get(media.recv(19)[3:].hex())
            if call_id is None:  # closed before it had named itself
                return
            self.media[call_id] = media
            with suppress(OSError):
                while media.recv(4096):
                    pass
            self._left(call_id)

    def _left(self, call_id: str) -> None:
        """Asterisk has closed the socket: the phone is gone. What we closed ourselves has been dealt with."""
        try:
            self.media.pop(call_id, None)
            if call_id not in self.dead:
                VoiceSession.objects.filter(call__call_id=call_id).update(ended_at=timezone.now())
        finally:
            connection.close()


@contextmanager
def scripted_bridge() -> Iterator[ScriptedBridge]:
    """One that listens on loopback; its row is made by `row()`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            taken = bridge.end(self.path.split("/")[2]) if self.path.endswith("/end") else bridge.take(body)
            answer = b"{}" if taken else b'{"reason": "full"}'
            self.send_response(200 if taken else 503)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            pass

    audio = socket.create_server(("127.0.0.1", 0))
    bridge = ScriptedBridge(server=ThreadingHTTPServer(("127.0.0.1", 0), Handler), audio=audio)
    for work in (bridge.server.serve_forever, bridge.hold_audio_sockets):
        threading.Thread(target=work, daemon=True).start()
    try:
        yield bridge
    finally:
        bridge.server.shutdown()
        bridge.server.server_close()
        audio.close()
