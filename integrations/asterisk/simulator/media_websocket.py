"""`/media/<id>`: the WebSocket channel driver. Audio from the app is queued and leaves at Asterisk's pace.

Messages as in Asterisk's chan_websocket: binary is audio without a header, text is control (plain words, or JSON
where the channel was made with f(json)).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import orjson
from starlette.responses import Response
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from . import sounds
from .channels import Channel
from .pbx import NORMAL, Pbx

Json = dict[str, Any]
QUEUE_MAX, XOFF, XON = 1000, 900, 800
_LONGEST_TEXT = 128
_GOING_AWAY, _NORMAL_CLOSE = 1001, 1000
_BROKEN = (1005, 1006)  # without a close frame
_OUT_OF_ORDER = 38
_OUTGOING_MAX = 500


class MediaLeg:
    """The channel's end at the app. `incoming` holds frames (bytes) and events that wait their turn among them."""

    def __init__(self, channel: Channel, connection_id: str, *, rate: int, form: str, as_json: bool) -> None:
        self.channel, self.connection_id = channel, connection_id
        self.rate, self.form, self.as_json = rate, form, as_json
        self.frame = sounds.frame_size(rate)
        self.incoming: deque[bytes | Json] = deque()
        self.outgoing: asyncio.Queue[bytes | str | None] = asyncio.Queue()
        self.connected = False
        self.queued = 0
        self.buffering = self.paused = self.full = self.report_drained = False
        self.direction = "both"
        self.dropped = 0
        self.flushes = 0
        self._rest = b""

    # Towards the phone

    def take(self, rate: int) -> bytes | None:
        if self.paused:
            return None
        if self.full and self.queued < XON:
            self.full = False
            self.say("MEDIA_XON")
        if not self.incoming and self.report_drained:
            self.report_drained = False
            self.say("QUEUE_DRAINED")
        while self.incoming:
            one = self.incoming.popleft()
            if isinstance(one, bytes):
                self.queued -= 1
                return sounds.at_rate(one, self.rate, rate)
            self.say(**one)
        return None

    def hear_binary(self, data: bytes) -> None:
        """Audio from the app. What is not a whole frame is lost, but while buffering."""
        if self.direction == "in":
            return
        if self.queued >= QUEUE_MAX:
            self.dropped += 1
            return
        data, self._rest = (self._rest if self.buffering else b"") + data, b""
        whole = len(data) // self.frame * self.frame
        for start in range(0, whole, self.frame):
            self._enqueue(data[start : start + self.frame])
        if self.buffering:
            self._rest = data[whole:]

    def _enqueue(self, frame: bytes) -> None:
        self.incoming.append(frame)
        self.queued += 1
        if not self.full and self.queued >= XOFF:
            self.full = True
            self.say("MEDIA_XOFF")

    # Towards the app

    def give(self, pcm: bytes, rate: int) -> None:
        if self.connected and self.direction != "out" and self.outgoing.qsize() < _OUTGOING_MAX:
            self.outgoing.put_nowait(sounds.at_rate(pcm, rate, self.rate))

    def say(self, event: str, **fields: Any) -> None:
        """A control event."""
        if not self.as_json:
            words = " ".join(f"{name}:{value}" for name, value in fields.items())
            self.outgoing.put_nowait(f"{event} {words}".strip())
            return
        message = {"event": event, "channel_id": self.channel.id, **fields}
        self.outgoing.put_nowait(orjson.dumps(message).decode())

    def start(self) -> None:
        self.connected = True
        self.say(
            "MEDIA_START",
            connection_id=self.connection_id,
            channel=self.channel.name,
            format=self.form,
            optimal_frame_size=self.frame,
            ptime=sounds.FRAME_MS,
            **({"channel_variables": self.channel.variables} if self.as_json else {}),
        )

    def close(self) -> None:
        self.outgoing.put_nowait(None)

    # Commands

    def command(self, text: str) -> str | None:
        """Carry out one control message; "ANSWER" or "HANGUP" is for the channel. Too long a one is not read."""
        if not text or len(text.encode()) > _LONGEST_TEXT:
            return None
        name, fields = text, {}
        if self.as_json:
            try:
                fields = orjson.loads(text)
                name = str(fields.get("command"))
            except (orjson.JSONDecodeError, AttributeError):
                self.say("ERROR", error_text="Unable to parse JSON command")
                return None
        else:
            name, _, rest = text.partition(" ")
            fields = {"correlation_id": rest}
        handler = _COMMANDS.get(name)
        if handler is not None:
            handler(self, fields)
        return name if name in ("ANSWER", "HANGUP") else None

    def start_buffering(self, _fields: Json) -> None:
        self.buffering = True

    def stop_buffering(self, fields: Json) -> None:
        """What is left over is played although it is no whole frame."""
        self.buffering = False
        if self._rest:
            self._enqueue(self._rest.ljust(self.frame, b"\0"))
            self._rest = b""
        self._wait_among_frames("MEDIA_BUFFERING_COMPLETED", fields)

    def mark(self, fields: Json) -> None:
        self._wait_among_frames("MEDIA_MARK_PROCESSED", fields)

    def _wait_among_frames(self, event: str, fields: Json) -> None:
        self.incoming.append({"event": event, "correlation_id": str(fields.get("correlation_id") or "")})

    def flush(self, _fields: Json) -> None:
        """Everything queued is gone, marks too, and buffering mode ends."""
        self.incoming.clear()
        self.queued, self._rest, self.buffering = 0, b"", False
        self.flushes += 1

    def pause(self, _fields: Json) -> None:
        self.paused = True

    def go_on(self, _fields: Json) -> None:
        self.paused = False

    def drained(self, _fields: Json) -> None:
        self.report_drained = True

    def status(self, _fields: Json) -> None:
        self.say(
            "STATUS",
            queue_length=self.queued,
            xon_level=XON,
            xoff_level=XOFF,
            queue_full=self.full,
            bulk_media=self.buffering,
            media_paused=self.paused,
        )

    def turn(self, fields: Json) -> None:
        wanted = fields.get("direction")
        if wanted in ("in", "out", "both"):
            self.direction = wanted
        elif wanted is None:
            self.say("ERROR", error_text="SET_MEDIA_DIRECTION requires a 'direction' parameter.\n")
        else:
            self.say("ERROR", error_text=f"'{wanted}' is not a valid direction for SET_MEDIA_DIRECTION.\n")


_COMMANDS: dict[str, Callable[[MediaLeg, Json], None]] = {
    "START_MEDIA_BUFFERING": MediaLeg.start_buffering,
    "STOP_MEDIA_BUFFERING": MediaLeg.stop_buffering,
    "MARK_MEDIA": MediaLeg.mark,
    "FLUSH_MEDIA": MediaLeg.flush,
    "PAUSE_MEDIA": MediaLeg.pause,
    "CONTINUE_MEDIA": MediaLeg.go_on,
    "REPORT_QUEUE_DRAINED": MediaLeg.drained,
    "GET_STATUS": MediaLeg.status,
    "SET_MEDIA_DIRECTION": MediaLeg.turn,
}


def media_route(pbx: Pbx) -> WebSocketRoute:
    """The socket. No user and no password: the id is the only secret, and it opens once."""

    async def serve(websocket: WebSocket) -> None:
        leg = _leg(pbx, str(websocket.path_params["connection_id"]))
        if leg is None or leg.connected:
            await websocket.send_denial_response(Response(status_code=404 if leg is None else 409))
            return
        offered = websocket.scope.get("subprotocols") or []
        await websocket.accept(subprotocol="media" if "media" in offered else None)
        leg.start()
        pbx.media_answers(leg.channel)
        await _carry(pbx, leg, websocket)

    return WebSocketRoute("/media/{connection_id}", serve)


def _leg(pbx: Pbx, connection_id: str) -> MediaLeg | None:
    legs = (channel.leg for channel in pbx.channels.values())
    return next((leg for leg in legs if isinstance(leg, MediaLeg) and leg.connection_id == connection_id), None)


async def _carry(pbx: Pbx, leg: MediaLeg, websocket: WebSocket) -> None:
    reader = asyncio.create_task(_read(pbx, leg, websocket))
    try:
        while (one := await leg.outgoing.get()) is not None:
            await (websocket.send_bytes(one) if isinstance(one, bytes) else websocket.send_text(one))
        await websocket.close()
    except (WebSocketDisconnect, RuntimeError):
        await asyncio.wait({reader})  # which is told how the connection ended
    finally:
        reader.cancel()


async def _read(pbx: Pbx, leg: MediaLeg, websocket: WebSocket) -> None:
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            _over(pbx, leg, cause=_OUT_OF_ORDER if message.get("code") in _BROKEN else NORMAL, tech_cause=_GOING_AWAY)
            return
        if message.get("bytes") is not None:
            leg.hear_binary(message["bytes"])
        elif leg.command(message.get("text") or "") == "HANGUP":
            _over(pbx, leg, cause=NORMAL, tech_cause=_NORMAL_CLOSE)
            return


def _over(pbx: Pbx, leg: MediaLeg, *, cause: int, tech_cause: int) -> None:
    request = {"cause": cause, **pbx.said_as_sip(tech_cause)}
    pbx.hang_up(leg.channel, cause=cause, tech_cause=tech_cause, request=request)
