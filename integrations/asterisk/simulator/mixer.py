"""The clock of the audio: every 20 ms each leg gives a frame, and each bridge carries the frames across."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from . import sounds
from .channels import Bridge, Channel

if TYPE_CHECKING:
    from .recordings import Recording

_FRAME = sounds.FRAME_MS / 1000
_CATCH_UP = 10  # frames; what is later than that is left out


class Mixer:
    """Runs as long as the simulator; idle while no channel carries audio."""

    def __init__(self, channels: Callable[[], Iterable[Channel]], bridges: Callable[[], Iterable[Bridge]]) -> None:
        self._channels, self._bridges = channels, bridges
        self.late_frames = 0

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += _FRAME
            behind = loop.time() - due
            if behind > _CATCH_UP * _FRAME:
                self.late_frames += int(behind / _FRAME)
                due = loop.time()
            await asyncio.sleep(max(0.0, due - loop.time()))
            self.tick()

    def tick(self) -> None:
        """20 ms for everybody."""
        frames: dict[Channel, bytes | None] = {}
        for channel in list(self._channels()):
            if channel.leg is not None and not channel.gone:
                rate = channel.bridge.rate if channel.bridge else channel.leg.rate
                frames[channel] = channel.leg.take(rate)
        for bridge in list(self._bridges()):
            _carry(bridge, frames)


def _carry(bridge: Bridge, frames: dict[Channel, bytes | None]) -> None:
    """Two members hear each other, and nothing while the other sends nothing; with a third everybody hears a mix."""
    members, rate = [one for one in bridge.channels if one.leg is not None and not one.gone], bridge.rate
    said = {one: frame for one in members if (frame := frames.get(one)) is not None}
    soft = len(members) + len(bridge.recorders) > 2
    for member in members:
        others = [frame for one, frame in said.items() if one is not member]
        if member.leg is not None and (others or soft):
            member.leg.give(sounds.mixed(others, rate), rate)
    if bridge.recorders:
        whole = sounds.mixed(list(said.values()), rate)
        for recording in _recordings(bridge):
            recording.hear(whole, rate)


def _recordings(bridge: Bridge) -> list[Recording]:
    return list(bridge.recorders)
