"""AudioSocket: the PBX connects to the app and speaks frames of kind, length and payload (TCP, no password)."""

from __future__ import annotations

import asyncio
import struct
import uuid
from collections import deque

from . import sounds
from .channels import Channel
from .errors import AriError
from .pbx import NORMAL, Pbx

_HANGUP, _UUID, _DTMF = 0x00, 0x01, 0x03
KINDS = {8000: 0x10, 12000: 0x11, 16000: 0x12, 24000: 0x13, 32000: 0x14, 44100: 0x15, 48000: 0x16}
_RATES = {kind: rate for rate, kind in KINDS.items()}
_CONNECT_SECS = 2.0
_STALLED = 256 * 1024  # bytes a reader may leave lying before the channel dies
_JITTER = 10  # frames; AudioSocket has no queue, what comes faster than real time is lost on the way to the ear


def failed() -> AriError:
    return AriError(500, "An internal error prevented this request from being handled")


class AudioSocketLeg:
    """The channel's end at the app."""

    def __init__(self, writer: asyncio.StreamWriter, *, rate: int) -> None:
        self.rate = rate
        self.stalled = False
        self.overruns = 0
        self._writer = writer
        self._incoming: deque[bytes] = deque()
        self._rest = b""

    def take(self, rate: int) -> bytes | None:
        return sounds.at_rate(self._incoming.popleft(), self.rate, rate) if self._incoming else None

    def give(self, pcm: bytes, rate: int) -> None:
        if self._writer.transport.get_write_buffer_size() > _STALLED:
            self.stalled = True
            self._writer.transport.abort()
        elif not self._writer.is_closing():
            self.send(KINDS[self.rate], sounds.at_rate(pcm, rate, self.rate))

    def hear(self, pcm: bytes, rate: int) -> None:
        """Audio from the app, at the rate that its kind says."""
        data, size = self._rest + sounds.at_rate(pcm, rate, self.rate), sounds.frame_size(self.rate)
        while len(data) >= size:
            if len(self._incoming) < _JITTER:
                self._incoming.append(data[:size])
            else:
                self.overruns += 1
            data = data[size:]
        self._rest = data

    def send(self, kind: int, payload: bytes) -> None:
        self._writer.write(struct.pack(">BH", kind, len(payload)) + payload)

    def press(self, digit: str) -> None:
        """A key pressed on the telephone."""
        self.send(_DTMF, digit.encode())

    def close(self) -> None:
        self._writer.close()


async def connect(pbx: Pbx, channel: Channel, *, host: str, data: str, rate: int) -> None:
    """Connect and say whose audio this is; AriError 500 where the app refuses or `data` is no UUID."""
    try:
        ident = uuid.UUID(data)
        address, _, port = host.rpartition(":")
        async with asyncio.timeout(_CONNECT_SECS):
            reader, writer = await asyncio.open_connection(address.strip("[]"), int(port))
    except (ValueError, OSError, TimeoutError) as error:
        raise failed() from error
    leg = AudioSocketLeg(writer, rate=rate)
    channel.leg = leg
    leg.send(_UUID, ident.bytes)
    pbx.add(channel)
    pbx.tell_dial(channel, "", channel.dialled)
    channel.task = pbx.spawn(_follow(pbx, channel, leg, reader))


async def _follow(pbx: Pbx, channel: Channel, leg: AudioSocketLeg, reader: asyncio.StreamReader) -> None:
    """Answer, then read until the app hangs up, breaks off or says what Asterisk does not understand."""
    pbx.media_answers(channel)
    known = _RATES if pbx.config.can.audiosocket_rates else {KINDS[8000]: 8000}
    try:
        while True:
            kind, length = struct.unpack(">BH", await reader.readexactly(3))
            payload = await reader.readexactly(length)
            if kind == _HANGUP or kind not in known or not payload:
                break
            leg.hear(payload, known[kind])
    except (asyncio.IncompleteReadError, OSError):
        pass
    pbx.hang_up(channel, cause=NORMAL)
