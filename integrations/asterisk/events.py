"""What Asterisk tells over the event socket, as typed values. Source: ARI's events.json, and order as seen on 22.10."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something about one channel, by its id."""

    channel_id: str


@dataclass(frozen=True, kw_only=True)
class Rang(Event):
    """The far end is alerting. `early_media`: it sends sound already (SIP 183), which is not an answer."""

    early_media: bool = False


@dataclass(frozen=True, kw_only=True)
class Answered(Event):
    """The far end has picked up; StasisStarted follows at once."""


@dataclass(frozen=True, kw_only=True)
class StasisStarted(Event):
    """The channel is ours to handle. `args` are the application's arguments."""

    args: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Destroyed(Event):
    """The channel is gone. `cause` is Q.850, `tech_cause` the SIP status code (Asterisk ≥ 20.17, 22.7, 23.1)."""

    cause: int = 0
    tech_cause: int | None = None


@dataclass(frozen=True, kw_only=True)
class Replaced:
    """Another socket has taken our application's name: this one stays open and hears nothing ever again."""


Told = Event | Replaced


def decode(message: Mapping[str, Any]) -> Told | None:
    """The event in one message of the socket; None for what we have no use for, or cannot read."""
    if message.get("type") == "ApplicationReplaced":
        return Replaced()
    read = _READERS.get(str(message.get("type")))
    channel = message.get("peer") if message.get("type") == "Dial" else message.get("channel")
    channel_id = channel.get("id") if isinstance(channel, Mapping) else None
    if read is None or not isinstance(channel_id, str) or not isinstance(channel, Mapping):
        return None
    return read(channel_id, channel, message)


def _dial(channel_id: str, _channel: Mapping[str, Any], message: Mapping[str, Any]) -> Event | None:
    """The way there; how it ended is told by ChannelDestroyed alone (dialstatus says NOANSWER for a 404, too)."""
    match message.get("dialstatus"):
        case "RINGING":
            return Rang(channel_id=channel_id)
        case "PROGRESS":
            return Rang(channel_id=channel_id, early_media=True)
        case "ANSWER":
            return Answered(channel_id=channel_id)
    return None


def _state(channel_id: str, channel: Mapping[str, Any], _message: Mapping[str, Any]) -> Event | None:
    """Ringing only: a channel can be Up before anybody has answered (a PBX that answers by itself)."""
    return Rang(channel_id=channel_id) if channel.get("state") == "Ringing" else None


def _stasis(channel_id: str, _channel: Mapping[str, Any], message: Mapping[str, Any]) -> Event:
    args = message.get("args")
    return StasisStarted(
        channel_id=channel_id, args=tuple(str(each) for each in args) if isinstance(args, list) else ()
    )


def _destroyed(channel_id: str, _channel: Mapping[str, Any], message: Mapping[str, Any]) -> Event:
    return Destroyed(
        channel_id=channel_id, cause=_code(message.get("cause")) or 0, tech_cause=_code(message.get("tech_cause"))
    )


def _code(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 32_767 else None


_READERS: Mapping[str, Callable[[str, Mapping[str, Any], Mapping[str, Any]], Event | None]] = {
    "Dial": _dial,
    "ChannelStateChange": _state,
    "StasisStart": _stasis,
    "ChannelDestroyed": _destroyed,
}
