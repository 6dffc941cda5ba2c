"""Frames of the conversation socket: what clients may send, what the server sends, and how it says goodbye."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect

from .checks import Field, Fields, check_body

Json = dict[str, Any]
ALWAYS_SENT = frozenset({"conversation_initiation_metadata", "ping", "error", "queue_status"})
_LONGEST_REASON = 123  # bytes of a close frame's reason, RFC 6455


class Ending(Exception):  # noqa: N818 - a goodbye is no error
    """The server ends the conversation. With an `error_type`, an error event goes out before the close frame."""

    def __init__(self, code: int, reason: str, *, error_type: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.reason = reason
        self.error_type = error_type

    @property
    def is_failure(self) -> bool:
        return self.code != 1000


class Gone(Exception):  # noqa: N818
    """The client went away."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


_INITIATION: Fields = {
    "conversation_config_override": Field("object"),
    "custom_llm_extra_body": Field("object"),
    "dynamic_variables": Field("object"),
    "user_id": Field(),
    "source_info": Field("object", fields={"source": Field(), "version": Field()}),
}
CLIENT_FRAMES: dict[str, Fields] = {
    "user_audio_chunk": {"user_audio_chunk": Field(required=True)},
    "conversation_initiation_client_data": _INITIATION,
    "pong": {"event_id": Field("int", required=True)},
    "user_message": {"text": Field()},
    "user_activity": {},
    "contextual_update": {"text": Field(required=True), "context_id": Field()},
    "client_tool_result": {
        "tool_call_id": Field(required=True),
        "result": Field(required=True),
        "is_error": Field("bool", required=True),
    },
    "mcp_tool_approval_result": {"tool_call_id": Field(required=True), "is_approved": Field("bool", required=True)},
    "feedback": {"event_id": Field("int", required=True), "score": Field(choices=("like", "dislike"))},
    "multimodal_message": {"text": Field("object"), "file": Field("object"), "files": Field("list")},
}


def parse_frame(text: str) -> tuple[str, Json]:
    """The kind of a client's frame and the frame; Ending 1008 where it is none."""
    try:
        frame = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Ending(1008, "Invalid message: not JSON", error_type="invalid_message") from None
    if not isinstance(frame, dict):
        raise Ending(1008, "Invalid message: not an object", error_type="invalid_message")
    kind = frame.get("type", "user_audio_chunk" if "user_audio_chunk" in frame else None)
    if not isinstance(kind, str) or kind not in CLIENT_FRAMES:
        raise Ending(1008, "Invalid message: unknown type", error_type="invalid_message")
    problems = check_body(frame, CLIENT_FRAMES[kind])
    if problems:
        error_type = "missing_fields" if problems[0]["type"] == "missing" else "value_error"
        where = ".".join(str(part) for part in problems[0]["loc"][1:])
        raise Ending(1008, f"Invalid message: {kind}: {where}: {problems[0]['msg']}", error_type=error_type)
    return kind, frame


def audio_in(frame: Json) -> bytes:
    """The audio of a user_audio_chunk; Ending 1008 where it is not base64."""
    try:
        return base64.b64decode(frame["user_audio_chunk"], validate=True)
    except (binascii.Error, ValueError):
        raise Ending(1008, "Invalid message: user_audio_chunk is not base64", error_type="value_error") from None


class Wire:
    """One accepted socket, speaking JSON text frames."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._closed = False

    async def receive(self) -> tuple[str, Json]:
        """The client's next frame; Gone where it left, Ending where it says nonsense."""
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            self._closed = True
            raise Gone(int(message.get("code") or 1005))
        text = message.get("text")
        if text is None:
            raise Ending(1008, "Invalid message: text frames only", error_type="invalid_message")
        return parse_frame(text)

    async def send(self, event: Json) -> None:
        """`event` as a text frame; nothing where the client is gone (whoever receives will notice)."""
        if self._closed:
            return
        try:
            await self._websocket.send_text(orjson.dumps(event).decode())
        except (WebSocketDisconnect, RuntimeError):
            self._closed = True

    async def end(self, ending: Ending) -> None:
        """The error event, where there is one to send, and the close frame."""
        if ending.error_type:
            await self.send({"type": "error", "error_event": error_event(ending)})
        if self._closed:
            return
        self._closed = True
        reason = ending.reason.encode()[:_LONGEST_REASON].decode(errors="ignore")
        try:
            await self._websocket.close(ending.code, reason)
        except (WebSocketDisconnect, RuntimeError):
            return


def error_event(ending: Ending) -> Json:
    """`error_event` of an ending."""
    return {
        "code": ending.code,
        "message": ending.reason,
        "error_type": ending.error_type,
        "reason": None,
        "debug_message": None,
        "details": None,
    }
