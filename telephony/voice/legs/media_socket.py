"""Asterisk's media WebSocket in server mode: we connect, Asterisk paces (chan_websocket, Asterisk 22.9 and newer)."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.typing import Subprotocol

from integrations.elevenlabs.conversation import SILENT
from telephony.voice.legs.base import FRAME_SECS, LegGoneError, frame_bytes
from telephony.voice.speech import Speech

RATES = {"slin": 8000, "slin12": 12000, "slin16": 16000, "slin24": 24000, "slin48": 48000}
OPEN_WITHIN = 5.0  # seconds
AHEAD_SECS = 0.4  # of speech handed over before it is played; a hiccup of ours is not heard then
QUIET_AHEAD_SECS = 2 * FRAME_SECS  # of silence: what is said next waits for it
_MOST = 65_000  # bytes in a message


class MediaSocketLeg:
    """`url` names one channel's media, once. Control messages are JSON of at most 128 bytes."""

    ahead = AHEAD_SECS

    def __init__(self, *, url: str, username: str = "", password: str = "", rate: int = 16000) -> None:
        self.rate = rate
        self._url, self._username, self._password = url, username, password
        self._socket: ClientConnection | None = None
        self._early: list[bytes] = []
        self._may_send = asyncio.Event()
        self._may_send.set()
        self._played_until = 0.0

    async def open(self) -> None:
        """Connect and wait for MEDIA_START, which names the format."""
        try:
            async with asyncio.timeout(OPEN_WITHIN):
                self._socket = await self._connect()
                while not self._started(await self._socket.recv()):
                    pass
                await self._command("START_MEDIA_BUFFERING")
        except (InvalidURI, InvalidHandshake, ConnectionClosed, OSError, TimeoutError, ValueError):
            raise LegGoneError("no_media") from None

    async def heard(self) -> bytes:
        """One 20 ms frame; events are seen to by the way."""
        if self._early:
            return self._early.pop(0)
        while True:
            try:
                message = await self._there.recv()
            except ConnectionClosed:
                raise LegGoneError from None
            if isinstance(message, bytes):
                return message
            self._on_event(_event(message))

    async def play(self, speech: Speech) -> None:
        """Hand speech over a little ahead of time, silence hardly ahead at all.

        Silence follows a flush at once: a call that is sent nothing hears the rest of a frame, left in Asterisk's
        resampler, when something comes again.
        """
        loop = asyncio.get_running_loop()
        while True:
            await self._may_send.wait()
            now = loop.time()
            ahead = max(0.0, self._played_until - now)
            most = AHEAD_SECS / 2 if speech.secs else FRAME_SECS
            if ahead > most:
                await speech.changed(within=ahead - most)
                continue
            if speech.secs:
                sound = speech.take(min(_MOST, frame_bytes(self.rate, AHEAD_SECS - ahead)), ahead=ahead)
            else:
                sound = bytes(frame_bytes(self.rate, QUIET_AHEAD_SECS))
            self._played_until = now + ahead + len(sound) / 2 / self.rate
            await self._send(sound)

    async def hush(self) -> None:
        """FLUSH_MEDIA also ends the buffering of incomplete frames, which is therefore begun anew."""
        self._played_until = 0.0
        self._may_send.set()  # the queue is empty now
        await self._command("FLUSH_MEDIA")
        await self._command("START_MEDIA_BUFFERING")

    async def close(self) -> None:
        """Closing the socket destroys the media channel."""
        if self._socket is not None:
            with suppress(ConnectionClosed, OSError):
                await self._socket.close()

    async def _connect(self) -> ClientConnection:
        if urlsplit(self._url).scheme not in {"ws", "wss"}:
            raise ValueError
        headers = {}
        if self._username:
            credentials = b64encode(f"{self._username}:{self._password}".encode()).decode()
            headers["Authorization"] = f"Basic {credentials}"
        return await connect(
            self._url,
            subprotocols=[Subprotocol("media")],
            additional_headers=headers,
            compression=None,
            ping_interval=None,  # Asterisk before 22.8 hangs up when it is pinged
            open_timeout=OPEN_WITHIN,
            close_timeout=1,
            max_size=1024 * 1024,
            proxy=None,
            logger=SILENT,
        )

    @property
    def _there(self) -> ClientConnection:
        if self._socket is None:
            raise LegGoneError("no_media")
        return self._socket

    def _started(self, message: str | bytes) -> bool:
        """Whether this was MEDIA_START; sound before it is kept. ValueError for a format that is no PCM."""
        if isinstance(message, bytes):
            self._early.append(message)
            return False
        event = _event(message)
        if event.get("event") != "MEDIA_START":
            return False
        name = event.get("format")
        if name not in RATES:
            raise ValueError
        self.rate = RATES[name]
        return True

    def _on_event(self, event: dict[str, Any]) -> None:
        if event.get("event") == "MEDIA_XOFF":
            self._may_send.clear()
        elif event.get("event") == "MEDIA_XON":
            self._may_send.set()

    async def _command(self, name: str) -> None:
        await self._send(orjson.dumps({"command": name}).decode())

    async def _send(self, message: str | bytes) -> None:
        try:
            await self._there.send(message)
        except ConnectionClosed:
            raise LegGoneError from None


def _event(message: str) -> dict[str, Any]:
    """A control message; nothing where it is not JSON."""
    try:
        event = orjson.loads(message)
    except orjson.JSONDecodeError:
        return {}
    return event if isinstance(event, dict) else {}
