"""The protocol of an agent's conversation WebSocket, without a socket: events in, frames out, endings explained.

Pure, so that a blocking client and an asyncio bridge share it. Source: ElevenLabs' AsyncAPI file of the agents socket.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import orjson

from integrations.elevenlabs.schemas import mapping, number, required_text, text, unreadable
from integrations.errors import Answer, ProviderError, Reason

_FORMAT = re.compile(r"(pcm|ulaw)_(\d{4,5})\Z")
_WORD = re.compile(r"[a-z_]{1,64}\Z")
_QUOTA = re.compile(r"quota|credits", re.IGNORECASE)
Variables = Mapping[str, str | int | float | bool]


@dataclass(frozen=True, kw_only=True)
class AudioFormat:
    """Mono audio: 16-bit little-endian PCM, or G.711 µ-law, at `rate` samples a second."""

    encoding: Literal["pcm", "ulaw"]
    rate: int

    @classmethod
    def parse(cls, name: str) -> AudioFormat:
        """From the provider's name (`pcm_16000`, `ulaw_8000`); ProviderError for one that we cannot play."""
        match = _FORMAT.match(name)
        if match is None or int(match[2]) < 8000:
            raise unreadable()
        return cls(encoding="ulaw" if match[1] == "ulaw" else "pcm", rate=int(match[2]))

    @property
    def bytes_per_second(self) -> int:
        return self.rate * (1 if self.encoding == "ulaw" else 2)


# --- What the agent's side says ------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """The first event: the conversation's id, and in which formats audio comes and is expected."""

    conversation_id: str
    agent_audio: AudioFormat
    user_audio: AudioFormat


@dataclass(frozen=True, kw_only=True)
class Audio:
    """A piece of the agent's voice, in `Metadata.agent_audio`."""

    event_id: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class AgentResponse:
    """What the agent is about to say."""

    event_id: int
    text: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Correction:
    """What the agent really got to say of `original` before it was interrupted."""

    event_id: int
    original: str = field(repr=False)
    corrected: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class UserTranscript:
    """What the other side was understood to say; a tentative one may still change."""

    event_id: int
    text: str = field(repr=False)
    tentative: bool = False


@dataclass(frozen=True, kw_only=True)
class Interruption:
    """Barge-in: stop playing; audio with an event id up to this one is void, also if it comes later."""

    event_id: int


@dataclass(frozen=True, kw_only=True)
class Ping:
    """To be answered with `pong(event_id)` at once."""

    event_id: int


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """The agent wants a tool of the client's; answered with `tool_result`."""

    tool_call_id: str
    tool_name: str
    parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Failed:
    """Something went wrong there; a close frame follows. Of its words only the machine's are kept."""

    code: int
    error_type: str = ""
    about_quota: bool = False


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The conversation is over in good order (close code 1000)."""


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """An event that we have no use for, or that came without what it should hold."""

    kind: str


Event = (
    Metadata
    | Audio
    | AgentResponse
    | Correction
    | UserTranscript
    | Interruption
    | Ping
    | ToolCall
    | Failed
    | Ended
    | Unknown
)


def decode(frame: str | bytes) -> Event:
    """The event in a frame. What is unknown or incomplete is Unknown, except the metadata, which nothing replaces.

    ProviderError where the frame is no JSON object, or the metadata cannot be read.
    """
    try:
        data = _object(frame)
        kind = text(data, "type")
        return _READERS[kind](data) if kind in _READERS else Unknown(kind=_word(kind))
    except _IncompleteError as incomplete:
        return Unknown(kind=incomplete.kind)


class _IncompleteError(Exception):
    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def _object(frame: str | bytes) -> dict[str, Any]:
    try:
        return mapping(orjson.loads(frame))
    except orjson.JSONDecodeError:  # it refuses half a surrogate pair (a cut emoji), which a transcript may well hold
        pass
    try:
        return mapping(json.loads(frame))
    except (ValueError, RecursionError):
        raise unreadable() from None


def _word(kind: str) -> str:
    return kind if _WORD.match(kind) else ""


def _payload(data: Mapping[str, Any], name: str, *needed: str) -> dict[str, Any]:
    """The object under `name`, once it is known to hold texts under all of `needed`."""
    payload = data.get(name)
    if not isinstance(payload, dict) or not all(isinstance(payload.get(each), str) for each in needed):
        raise _IncompleteError(text(data, "type"))
    return payload


def _id(payload: Mapping[str, Any]) -> int:
    return int(number(payload, "event_id"))


def _metadata(data: Mapping[str, Any]) -> Event:
    payload = mapping(data.get("conversation_initiation_metadata_event"))
    return Metadata(
        conversation_id=required_text(payload, "conversation_id"),
        agent_audio=AudioFormat.parse(required_text(payload, "agent_output_audio_format")),
        user_audio=AudioFormat.parse(text(payload, "user_input_audio_format") or "pcm_16000"),
    )


def _audio(data: Mapping[str, Any]) -> Event:
    payload = _payload(data, "audio_event", "audio_base_64")
    try:
        sound = base64.b64decode(payload["audio_base_64"], validate=True)
    except (binascii.Error, ValueError):
        raise _IncompleteError("audio") from None
    return Audio(event_id=_id(payload), data=sound)


def _agent_response(data: Mapping[str, Any]) -> Event:
    payload = _payload(data, "agent_response_event", "agent_response")
    return AgentResponse(event_id=_id(payload), text=payload["agent_response"])


def _correction(data: Mapping[str, Any]) -> Event:
    names = "original_agent_response", "corrected_agent_response"
    payload = _payload(data, "agent_response_correction_event", *names)
    return Correction(event_id=_id(payload), original=payload[names[0]], corrected=payload[names[1]])


def _user_transcript(data: Mapping[str, Any]) -> Event:
    payload = _payload(data, "user_transcription_event", "user_transcript")
    return UserTranscript(event_id=_id(payload), text=payload["user_transcript"])


def _tentative_transcript(data: Mapping[str, Any]) -> Event:
    payload = _payload(data, "tentative_user_transcription_event", "user_transcript")
    return UserTranscript(event_id=_id(payload), text=payload["user_transcript"], tentative=True)


def _interruption(data: Mapping[str, Any]) -> Event:
    return Interruption(event_id=_id(_payload(data, "interruption_event")))


def _ping(data: Mapping[str, Any]) -> Event:
    return Ping(event_id=_id(_payload(data, "ping_event")))


def _tool_call(data: Mapping[str, Any]) -> Event:
    payload = _payload(data, "client_tool_call", "tool_call_id", "tool_name")
    parameters = payload.get("parameters")
    return ToolCall(
        tool_call_id=payload["tool_call_id"],
        tool_name=payload["tool_name"],
        parameters=parameters if isinstance(parameters, dict) else {},
    )


def _error(data: Mapping[str, Any]) -> Event:
    payload = _payload(data, "error_event")
    said = " ".join(text(payload, name) for name in ("message", "reason"))
    return Failed(
        code=int(number(payload, "code")),
        error_type=_word(text(payload, "error_type")),
        about_quota=bool(_QUOTA.search(said)),
    )


_READERS = MappingProxyType(
    {
        "conversation_initiation_metadata": _metadata,
        "audio": _audio,
        "agent_response": _agent_response,
        "agent_response_correction": _correction,
        "user_transcript": _user_transcript,
        "tentative_user_transcript": _tentative_transcript,
        "interruption": _interruption,
        "ping": _ping,
        "client_tool_call": _tool_call,
        "error": _error,
    }
)


class Barrier:
    """Which audio may still be played: an interruption voids what came before it, whenever that arrives."""

    def __init__(self) -> None:
        self._void_up_to = -1

    def interrupted(self, event: Interruption) -> None:
        self._void_up_to = max(self._void_up_to, event.event_id)

    def lets_through(self, audio: Audio) -> bool:
        return audio.event_id > self._void_up_to


# --- What our side says --------------------------------------------------------------------------


def begin(*, variables: Variables | None = None, user_id: str = "", override: Mapping[str, Any] | None = None) -> str:
    """The first frame. `override` is a conversation_config_override, each field of which the agent must allow."""
    return _frame(
        type="conversation_initiation_client_data",
        conversation_config_override=dict(override or {}),
        custom_llm_extra_body={},
        dynamic_variables=dict(variables or {}),
        **({"user_id": user_id} if user_id else {}),
    )


def user_audio(data: bytes) -> str:
    """A piece of the user's voice in `Metadata.user_audio`; about 250 ms of it."""
    return _frame(user_audio_chunk=base64.b64encode(data).decode())


def pong(event_id: int) -> str:
    """The answer to a Ping."""
    return _frame(type="pong", event_id=event_id)


def user_message(words: str) -> str:
    """The user says `words`, in writing; the agent answers."""
    return _frame(type="user_message", text=words)


def user_activity() -> str:
    """The user is there and busy: do not ask whether they are."""
    return _frame(type="user_activity")


def contextual_update(words: str) -> str:
    """Something that the agent should know; it does not answer."""
    return _frame(type="contextual_update", text=words)


def tool_result(*, tool_call_id: str, result: str, is_error: bool = False) -> str:
    """The answer to a ToolCall."""
    return _frame(type="client_tool_result", tool_call_id=tool_call_id, result=result, is_error=is_error)


def _frame(**content: Any) -> str:
    return orjson.dumps(content).decode()


# --- How it ends ---------------------------------------------------------------------------------

_BY_CODE = MappingProxyType(
    {
        1002: (Answer.UNKNOWN, Reason.PROVIDER_BUSY),  # its model or its voice did not answer in time
        1008: (Answer.REFUSED, Reason.INVALID),  # a variable missing, an override not allowed, a signature expired
        1012: (Answer.UNKNOWN, Reason.PROVIDER_BUSY),  # restarting
        1013: (Answer.NOT_DONE, Reason.PROVIDER_BUSY),  # try again later
        3000: (Answer.REFUSED, Reason.INVALID),  # the agent could not be started
        3008: (Answer.NOT_DONE, Reason.NO_CAPACITY),
        4300: (Answer.NOT_DONE, Reason.NO_CAPACITY),  # waited too long for a line, or the agent's daily limit
    }
)


def ended(*, code: int, reason: str, failed: Failed | None = None) -> ProviderError | None:
    """What a close frame means; None where the conversation ended in good order.

    `failed` is the error event that came before it, where one did. Nothing of `reason` is kept.
    """
    error_type = failed.error_type if failed else ""
    if _QUOTA.search(reason) or (failed and (failed.about_quota or _QUOTA.search(error_type))):
        return ProviderError(answer=Answer.REFUSED, reason=Reason.QUOTA_EXHAUSTED, code=error_type)
    if code == 1000:
        return None
    answer, why = _BY_CODE.get(code, (Answer.UNKNOWN, Reason.PROVIDER_DOWN))
    return ProviderError(answer=answer, reason=why, code=error_type)
