"""A browser as far as WebRTC goes: it offers, speaks what it is told to, and keeps what it hears."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, AudioResampler

from tests.simulator.helpers import eventually
from tests.stack import Stack
from tests.voice.loops import running_loop
from tests.voice.sounds import loudness

RATE = 16000
QUIET = 20  # what nobody speaking sounds like
FRAME = RATE // 50


class Voice(MediaStreamTrack):
    """What the browser says: `words` (16 kHz PCM) as they are added, silence between."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.words = bytearray()
        self._sent = 0
        self._began = 0.0

    async def recv(self) -> AudioFrame:
        loop = asyncio.get_running_loop()
        self._began = self._began or loop.time()
        await asyncio.sleep(max(0.0, self._began + self._sent / RATE - loop.time()))
        sound = bytes(self.words[: 2 * FRAME]).ljust(2 * FRAME, b"\0")
        del self.words[: 2 * FRAME]
        frame = AudioFrame(format="s16", layout="mono", samples=FRAME)
        frame.planes[0].update(sound)
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._sent, Fraction(1, RATE)
        self._sent += FRAME
        return frame


@contextmanager
def in_a_call(stack: Stack) -> Iterator[str]:
    """The call_id of a web call to the demo agent, who has been heard; the browser goes at the end."""
    with running_loop() as loop:
        browser = loop.run(_make())
        offer = {"agent_node_id": "agent_xyz", "sdp": loop.run(browser.offer())}
        answer = stack.post("/webcall/start", offer)
        try:
            loop.run(browser.accept(answer["sdp"]))
            eventually(lambda: loudness(bytes(browser.heard)) > QUIET, within=30)
            yield str(answer["call_id"])
        finally:
            loop.run(browser.close())


def talked_in_browser(stack: Stack) -> str:
    """The call_id of a web call that was had, hung up and recorded."""
    with in_a_call(stack) as call_id:
        stack.post("/webcall/hangup", {"call_id": call_id})
    eventually(lambda: stack.get(f"/telephony/journal/call/{call_id}")["has_audio"], within=30)
    return call_id


async def _make() -> Browser:
    return Browser()


class Browser:
    """To be used in one event loop. `heard` is 16 kHz PCM."""

    def __init__(self) -> None:
        self.voice = Voice()
        self.heard = bytearray()
        self.gone = asyncio.Event()
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._listening: list[asyncio.Task[None]] = []
        self._peer.on("track", self._on_track)
        self._peer.on("connectionstatechange", self._on_state)

    async def offer(self) -> str:
        """The SDP to send."""
        self._peer.addTrack(self.voice)
        await self._peer.setLocalDescription(await self._peer.createOffer())
        return str(self._peer.localDescription.sdp)

    async def accept(self, sdp: str) -> None:
        """Connect with whoever answered so."""
        await self._peer.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="answer"))

    async def close(self) -> None:
        await self._peer.close()
        for task in self._listening:
            task.cancel()

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._listening.append(asyncio.ensure_future(self._listen(track)))

    def _on_state(self) -> None:
        if self._peer.connectionState in {"failed", "closed"}:
            self.gone.set()

    async def _listen(self, track: MediaStreamTrack) -> None:
        resampler = AudioResampler(format="s16", layout="mono", rate=RATE)
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            assert isinstance(frame, AudioFrame)
            for part in resampler.resample(frame):
                self.heard += bytes(part.planes[0])[: 2 * part.samples]
