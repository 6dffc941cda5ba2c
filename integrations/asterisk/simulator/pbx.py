"""The PBX: its channels, bridges and recordings, and how a channel comes, enters an application and goes."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections import OrderedDict
from collections.abc import Coroutine
from typing import Any

from .apps import Apps
from .channels import CAUSE_TEXTS, Bridge, Channel
from .config import SimulatorConfig
from .faults import Faults
from .ledger import Dial, Ledger
from .mixer import Mixer
from .numbers import Script
from .phones import Phone
from .recordings import Recording

NORMAL = 16
_PHONES_KEPT = 300


class Pbx:
    """One simulated Asterisk. Touched only from its event loop."""

    def __init__(self, config: SimulatorConfig) -> None:
        self.config = config
        self._tasks: set[asyncio.Task[None]] = set()
        self._build()

    def _build(self) -> None:
        self.apps = Apps()
        self.channels: dict[str, Channel] = {}
        self.bridges: dict[str, Bridge] = {}
        self.live: dict[str, Recording] = {}
        self.stored: dict[str, Recording] = {}
        self.phones: OrderedDict[str, Phone] = OrderedDict()
        self.dials: dict[str, Dial] = {}
        self.scripts: dict[str, Script] = {}
        self.faults = Faults(self.config.seed)
        self.ledger = Ledger(self.config.ledger)
        self.mixer = Mixer(self.channels.values, self.bridges.values)
        self.trunk_alive = True
        self.started_at = time.time()
        self._names = 0

    def reset(self, **changes: Any) -> None:
        """Start again, with what is given changed. Nothing of the old world goes on."""
        self.close()
        self.config = dataclasses.replace(self.config, **changes)
        self._build()
        self.ledger.note("reset")
        self.start()

    def start(self) -> None:
        self.spawn(self.mixer.run())

    def restart(self) -> None:
        """As when Asterisk is killed: every channel and socket is gone and nobody is told. The ledger stays."""
        for channel in list(self.channels.values()):
            self._let_go(channel)
            self._end_dial(channel, outcome="lost", cause=0, tech_cause=None)
        self.bridges.clear()
        self.live.clear()
        self.apps.drop()
        self.apps = Apps()
        self.started_at = time.time()

    def close(self) -> None:
        self.apps.drop()
        for channel in list(self.channels.values()):
            self._let_go(channel)
        for task in list(self._tasks):
            task.cancel()
        self.ledger.close()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def pause(self, secs: float) -> None:
        """Let simulated seconds pass."""
        await asyncio.sleep(secs / self.config.speed)

    # Channels

    def add(self, channel: Channel) -> None:
        self.channels[channel.id] = channel

    def next_name(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}-{self._names:08x}"

    def keep_phone(self, channel: Channel, phone: Phone) -> None:
        self.phones[channel.id] = phone
        while len(self.phones) > _PHONES_KEPT:
            self.phones.popitem(last=False)

    def tell(self, channel: Channel, kind: str, **fields: Any) -> None:
        """An event about `channel` for its application."""
        if channel.spied is None or channel.in_stasis:
            self.apps.tell(channel.app, kind, **fields, channel=channel.shown())

    def tell_of(self, about: Bridge, kind: str, **fields: Any) -> None:
        """An event about a bridge for its application."""
        if not about.unheard:
            self.apps.tell(about.app, kind, **fields)

    def set_variable(self, channel: Channel, name: str, value: str) -> None:
        channel.variables[name] = value
        self.tell(channel, "ChannelVarset", variable=name, value=value)

    def tell_dial(self, channel: Channel, status: str, dialstring: str) -> None:
        """A Dial event: a call's, or a media channel's."""
        fields = {"dialstatus": status, "forward": "", "dialstring": dialstring}
        self.apps.tell(channel.app, "Dial", **fields, peer=channel.shown())

    def set_state(self, channel: Channel, state: str) -> None:
        if channel.state != state:
            channel.state = state
            self.tell(channel, "ChannelStateChange")

    def enter(self, channel: Channel) -> None:
        """The channel enters its application; dropped where the application has no socket."""
        if not self.apps.hears(channel.app):
            self.hang_up(channel, cause=0)
            return
        if channel.spied is None:
            self.set_variable(channel, "STASISSTATUS", "")
        channel.in_stasis = True
        self.tell(channel, "StasisStart", args=channel.args)

    def media_answers(self, channel: Channel) -> None:
        """A media channel's socket stands."""
        self.set_state(channel, "Up")
        self.tell_dial(channel, "ANSWER", channel.dialled)
        self.enter(channel)

    def leave(self, channel: Channel) -> None:
        """Out of its bridge and its application."""
        if channel.bridge is not None:
            self.unbridge(channel)
        if channel.in_stasis:
            self.tell(channel, "StasisEnd")
            channel.in_stasis = False
            self.set_variable(channel, "STASISSTATUS", "SUCCESS")

    def hang_up(
        self,
        channel: Channel,
        *,
        cause: int,
        tech_cause: int | None = None,
        request: dict[str, Any] | None = None,
        outcome: str = "cancelled",
    ) -> None:
        """End a channel. `request`: somebody asked for it, so ChannelHangupRequest comes first, with these fields.
        `outcome`: what the ledger says of a dial that was not answered."""
        if channel.gone:
            return
        if request is not None:
            self.tell(channel, "ChannelHangupRequest", **request)
        self.leave(channel)
        self._let_go(channel)
        said = self.said_as_sip(tech_cause)
        self.tell(channel, "ChannelDestroyed", cause=cause, cause_txt=CAUSE_TEXTS.get(cause, "Unknown"), **said)
        outcome = "answered" if channel.state == "Up" else outcome
        self._end_dial(channel, outcome=outcome, cause=cause, tech_cause=tech_cause)
        for snoop in [one for one in self.channels.values() if one.spied is channel]:
            self.hang_up(snoop, cause=0)

    def far_end_hangs_up(self, channel: Channel) -> None:
        """A BYE: no cause in the request, and none in the end where nobody was bridged to the channel."""
        self.hang_up(channel, cause=NORMAL if channel.bridge else 0, request={})

    def said_as_sip(self, tech_cause: int | None) -> dict[str, Any]:
        return {"tech_cause": tech_cause} if tech_cause and self.config.can.tech_cause else {}

    def _let_go(self, channel: Channel) -> None:
        channel.gone = True
        self.channels.pop(channel.id, None)
        if channel.task is not None and channel.task is not asyncio.current_task():
            channel.task.cancel()
        if channel.leg is not None:
            channel.leg.close()

    def _end_dial(self, channel: Channel, *, outcome: str, cause: int, tech_cause: int | None) -> None:
        dial = self.dials.pop(channel.id, None)
        if dial is not None:
            self.ledger.end(dial, outcome=outcome, cause=cause, tech_cause=tech_cause)

    # Bridges

    def bridge(self, bridge: Bridge, channel: Channel) -> None:
        if channel.bridge is bridge:
            return
        if channel.bridge is not None:
            self.unbridge(channel)
        bridge.channels.append(channel)
        channel.bridge = bridge
        self.tell_of(bridge, "ChannelEnteredBridge", bridge=bridge.shown(), channel=channel.shown())

    def unbridge(self, channel: Channel) -> None:
        bridge = channel.bridge
        if bridge is not None:
            bridge.channels.remove(channel)
            channel.bridge = None
            self.tell_of(bridge, "ChannelLeftBridge", bridge=bridge.shown(), channel=channel.shown())
            for recording in [] if bridge.channels else list(bridge.recorders):
                self.finish(recording)

    def destroy_bridge(self, bridge: Bridge) -> None:
        for channel in reversed(bridge.channels[:]):
            self.unbridge(channel)
        for recording in list(bridge.recorders):
            self.finish(recording)
        self.bridges.pop(bridge.id, None)
        self.tell_of(bridge, "BridgeDestroyed", bridge=bridge.shown())

    # Recordings

    def finish(self, recording: Recording, *, keep: bool = True) -> None:
        """Stop a live recording; kept, it can be fetched as a stored one."""
        for bridge in self.bridges.values():
            if recording in bridge.recorders:
                bridge.recorders.remove(recording)
                recording.state = "done"
                if keep:
                    self.stored[recording.name] = recording
                self.tell_of(bridge, "RecordingFinished", recording=recording.live())
        self.live.pop(recording.name, None)
