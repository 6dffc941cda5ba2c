"""A browser over WebRTC: its offer answered, its Opus heard and spoken (aiortc)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from aiortc import (
    InvalidStateError,
    MediaStreamTrack,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.exceptions import OperationError
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, AudioResampler

from telephony.voice.legs.base import LegGoneError, frame_bytes
from telephony.voice.speech import Speech

RATE = 16000  # what agents speak and hear unless told otherwise; Opus does the rest
CONNECTED_WITHIN = 20.0  # seconds from our answer to the first sound
LONGEST_SDP = 64 * 1024
MOST_LINES = {"m=": 8, "a=candidate:": 60}  # browsers offer fewer; every candidate is an address to knock at
_LATE_SECS = 0.2


class BadOfferError(Exception):
    """The browser's SDP cannot be answered."""


class WebRTCLeg:
    """One peer connection with one audio track each way."""

    ahead = 0.06  # what the browser has in its jitter buffer

    def __init__(self, *, ice_servers: Sequence[Mapping[str, Any]] = ()) -> None:
        self.rate = RATE
        servers = [RTCIceServer(**server) for server in ice_servers]
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=servers))  # None would mean Google's
        self._resampler = AudioResampler(format="s16", layout="mono", rate=RATE)
        self._mouth = Mouth()
        self._track: MediaStreamTrack | None = None
        self._connected = asyncio.Event()
        self._gone = asyncio.Event()
        self._peer.on("track", self._on_track)
        self._peer.on("connectionstatechange", self._on_state)

    async def answer(self, sdp: str) -> str:
        """Our SDP to the browser's, with all our candidates in it. BadOfferError."""
        if len(sdp) > LONGEST_SDP or any(sdp.count(line) > most for line, most in MOST_LINES.items()):
            raise BadOfferError
        try:
            await self._peer.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="offer"))
            if self._track is None:
                raise BadOfferError
            self._peer.addTrack(self._mouth)
            await self._peer.setLocalDescription(await self._peer.createAnswer())
        except (  # its parser raises whatever comes to hand where the text is no SDP
            ValueError, LookupError, TypeError, AttributeError, AssertionError, InvalidStateError, OperationError,
        ):  # fmt: skip
            raise BadOfferError from None
        return str(self._peer.localDescription.sdp)

    async def open(self) -> None:
        """Wait until the browser is connected."""
        try:
            async with asyncio.timeout(CONNECTED_WITHIN):
                await _first(self._connected, self._gone)
        except TimeoutError:
            raise LegGoneError("no_media") from None
        if self._gone.is_set():
            raise LegGoneError("no_media")

    async def heard(self) -> bytes:
        """One 20 ms frame."""
        if self._track is None:
            raise LegGoneError("no_media")
        try:
            frame = await self._track.recv()
        except MediaStreamError:
            raise LegGoneError from None
        if not isinstance(frame, AudioFrame):
            raise LegGoneError("no_media")
        return b"".join(bytes(part.planes[0])[: 2 * part.samples] for part in self._resampler.resample(frame))

    async def play(self, speech: Speech) -> None:
        """aiortc fetches it, frame by frame."""
        self._mouth.speech = speech
        await self._gone.wait()
        raise LegGoneError

    async def hush(self) -> None:
        """Nothing is handed over ahead of time."""

    async def close(self) -> None:
        """Close the peer connection, which the browser is told."""
        self._mouth.stop()
        await self._peer.close()
        self._gone.set()

    def _on_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio" and self._track is None:
            self._track = track

    def _on_state(self) -> None:
        if self._peer.connectionState == "connected":
            self._connected.set()
        elif self._peer.connectionState in {"failed", "closed"}:
            self._gone.set()


class Mouth(MediaStreamTrack):
    """What the browser hears: speech as it is fetched, silence between."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.speech: Speech | None = None
        self._samples = 0
        self._began: float | None = None

    async def recv(self) -> AudioFrame:
        """The next 20 ms, when they are due."""
        if self.readyState != "live":
            raise MediaStreamError
        await self._wait_until_due()
        size = frame_bytes(RATE)
        sound = self.speech.take(size, ahead=WebRTCLeg.ahead) if self.speech is not None else b""
        frame = AudioFrame(format="s16", layout="mono", samples=size // 2)
        frame.planes[0].update(sound.ljust(size, b"\0"))
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._samples, Fraction(1, RATE)
        self._samples += size // 2
        return frame

    async def _wait_until_due(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._began is None:
            self._began = now
        left = self._began + self._samples / RATE - now
        if left < -_LATE_SECS:
            self._began -= left
        await asyncio.sleep(max(0.0, left))


async def _first(*events: asyncio.Event) -> None:
    """Return when one of them is set."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
