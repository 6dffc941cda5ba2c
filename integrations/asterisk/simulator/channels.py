"""Channels and bridges as Asterisk shows them."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Protocol

from .apps import timestamp

Json = dict[str, Any]

CAUSE_TEXTS = {
    0: "Unknown", 1: "Unallocated (unassigned) number", 3: "No route to destination", 16: "Normal Clearing",
    17: "User busy", 18: "No user responding", 19: "User alerting, no answer", 21: "Call Rejected",
    22: "Number changed", 26: "Answered elsewhere", 27: "Destination out of order", 28: "Invalid number format",
    34: "Circuit/channel congestion", 38: "Network out of order", 58: "Bearer capability not available",
    102: "Recover on timer expiry", 127: "Interworking, unspecified",
}  # fmt: skip


class Leg(Protocol):
    """The audio end of a channel."""

    rate: int

    def take(self, rate: int) -> bytes | None:
        """Its next 20 ms at `rate`, or None where it sends nothing. Asked every 20 ms, bridged or not."""

    def give(self, pcm: bytes, rate: int) -> None:
        """20 ms for it to hear."""

    def close(self) -> None:
        """The channel is gone."""


@dataclass(eq=False)
class Channel:
    """One channel. `task` is what it is doing, e.g. ringing; cancelled when it is hung up.

    What its application hears of it: everything, but of a `spied` one's snoop only what happens inside the application.
    """

    id: str
    name: str
    app: str
    args: list[str] = field(default_factory=list)
    state: str = "Down"
    protocol_id: str = ""
    caller_name: str = ""
    caller_number: str = ""
    variables: dict[str, str] = field(default_factory=dict)
    created_at: float = field(default_factory=time.time)
    in_stasis: bool = False
    dialable: str | None = None
    dialled: str = ""
    leg: Leg | None = None
    bridge: Bridge | None = None
    spied: Channel | None = None
    gone: bool = False
    task: asyncio.Task[None] | None = None

    def shown(self) -> Json:
        app_name, app_data = "AppDial2", "(Outgoing Line)"
        if self.in_stasis:
            app_name, app_data = "Stasis", ",".join([self.app, *self.args])
        return {
            "id": self.id,
            "name": self.name,
            "state": self.state,
            "protocol_id": self.protocol_id,
            "caller": {"name": self.caller_name, "number": self.caller_number},
            "connected": {"name": self.caller_name, "number": self.caller_number},
            "accountcode": "",
            "dialplan": {
                "context": "default",
                "exten": "s",
                "priority": 1,
                "app_name": app_name,
                "app_data": app_data,
            },
            "creationtime": timestamp(self.created_at),
            "language": "en",
        }


@dataclass(eq=False)
class Bridge:
    """A mixing bridge: carries what each member says to the others.

    unheard: it has the id of a channel. Asterisk keeps an application's subscriptions by bare id, so the application
    hears nothing of such a bridge.
    """

    id: str
    app: str
    name: str = ""
    channels: list[Channel] = field(default_factory=list)
    recorders: list[Any] = field(default_factory=list)
    unheard: bool = False
    created_at: float = field(default_factory=time.time)

    @property
    def rate(self) -> int:
        return max((one.leg.rate for one in self.channels if one.leg is not None), default=8000)

    def shown(self) -> Json:
        members = len(self.channels) + len(self.recorders)
        return {
            "id": self.id,
            "technology": "softmix" if members > 2 else "simple_bridge",
            "bridge_type": "mixing",
            "bridge_class": "stasis",
            "creator": "Stasis",
            "name": self.name,
            "channels": [channel.id for channel in self.channels],
            "creationtime": timestamp(self.created_at),
            "video_mode": "talker",
        }


def fresh_id() -> str:
    """As Asterisk names what nobody named: seconds and a number."""
    return f"{time.time():.0f}.{uuid.uuid4().int % 10**6}"
