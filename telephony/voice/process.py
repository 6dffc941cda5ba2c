"""`manage.py voice`: one bridge process, from its row in the database to the last conversation written down."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import structlog
import uvicorn
from django.conf import settings
from django.db import Error as DatabaseError

from telephony.models import VoiceBridge
from telephony.models.voice import new_bridge_id
from telephony.voice import records
from telephony.voice.control import Control
from telephony.voice.house import House
from telephony.voice.legs.audio_socket import AudioSocketServer
from telephony.voice.threads import aside

log = structlog.get_logger(__name__)

LIFE_SIGN_SECS = 1.0
BRIDGE_STOPPING, NOT_MINE = "bridge_stopping", "not_mine"


@dataclass(frozen=True, kw_only=True)
class BridgeConfig:
    """Where a bridge listens (`host:port`, port 0 for a free one), where others reach it (empty: there), how much."""

    bind: str = "127.0.0.1:0"
    address: str = ""
    audiosocket_bind: str = "127.0.0.1:0"
    audiosocket: str = ""
    capacity: int = 50
    grace_secs: float = 30.0
    ice_servers: Sequence[Mapping[str, Any]] = field(default=())


def config_from_settings() -> BridgeConfig:
    """What the environment says."""
    return BridgeConfig(
        bind=settings.VOICE_BIND,
        address=settings.VOICE_ADDRESS,
        audiosocket_bind=settings.VOICE_AUDIOSOCKET_BIND,
        audiosocket=settings.VOICE_AUDIOSOCKET_ADDRESS,
        capacity=settings.VOICE_SESSIONS,
        grace_secs=settings.VOICE_GRACE_SECONDS,
        ice_servers=settings.WEBRTC_ICE_SERVERS,
    )


class _Server(uvicorn.Server):
    """uvicorn, which leaves the signals to us."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Bridge:
    """One bridge process. `started` is set once its row is there and both ports are open."""

    def __init__(self, config: BridgeConfig) -> None:
        self.config = config
        self.house = House(bridge_id=new_bridge_id(), capacity=config.capacity)
        self.started = asyncio.Event()
        self._stop = asyncio.Event()
        self._audio_sockets = AudioSocketServer()

    def stop(self) -> None:
        """Take no more calls, and end when those that are up have ended, or the grace time has."""
        self._stop.set()

    async def run(self) -> None:
        """Until `stop` is called."""
        listener = _listener(self.config.bind)
        server = _Server(self._uvicorn())
        audio = await asyncio.start_server(self._audio_sockets.connected, sock=_listener(self.config.audiosocket_bind))
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        try:
            await aside(records.sign_on, self._row(listener, audio.sockets[0]))
            living = asyncio.ensure_future(self._live())
            self.started.set()
            log.info("voice_bridge_started", bridge_id=self.house.bridge_id, capacity=self.config.capacity)
            await self._stop.wait()
            await self.house.drain(grace=self.config.grace_secs, reason=BRIDGE_STOPPING)
            living.cancel()
            await asyncio.gather(living, return_exceptions=True)
            with suppress(DatabaseError):  # then its row is silent, which says the same
                await aside(records.sign_off, self.house.bridge_id)
        finally:
            audio.close()
            server.should_exit = True
            await serving
        log.info("voice_bridge_stopped", bridge_id=self.house.bridge_id)

    async def _live(self) -> None:
        """Give a sign of life every second, and let go of calls that are somebody else's by now."""
        while True:
            try:
                lost = await aside(
                    records.life_sign,
                    self.house.bridge_id,
                    stopping=self.house.stopping,
                    held=list(self.house.held),
                    known=self.house.to_be_known(),
                )
                for call_id in lost:
                    self.house.end(call_id, NOT_MINE)
            except DatabaseError as error:
                log.warning("life_sign_not_written", error=type(error).__name__)
            await asyncio.sleep(LIFE_SIGN_SECS)

    def _uvicorn(self) -> uvicorn.Config:
        control = Control(self.house, audio_sockets=self._audio_sockets, ice_servers=self.config.ice_servers)
        return uvicorn.Config(
            control.application(), log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1
        )

    def _row(self, listener: socket.socket, audio: Any) -> VoiceBridge:
        host, port = listener.getsockname()[:2]
        audio_host, audio_port = audio.getsockname()[:2]
        return VoiceBridge(
            id=self.house.bridge_id,
            address=self.config.address or f"http://{_own(host)}:{port}",
            audiosocket=self.config.audiosocket or f"{_own(audio_host)}:{audio_port}",
            capacity=self.config.capacity,
        )


async def serve(config: BridgeConfig) -> None:
    """Run a bridge until SIGTERM or SIGINT; a second signal ends it at once."""
    bridge = Bridge(config)
    loop = asyncio.get_running_loop()
    running = asyncio.ensure_future(bridge.run())

    def stop() -> None:
        if bridge.house.stopping:
            running.cancel()
        bridge.stop()

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop)
    with suppress(asyncio.CancelledError):
        await running


def _own(host: str) -> str:
    """Where others reach us who listen on `host`."""
    return socket.gethostbyname(socket.gethostname()) if host == "0.0.0.0" else host  # noqa: S104 - asked, not bound


def _listener(bind: str) -> socket.socket:
    host, _, port = bind.rpartition(":")
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named, or Nagle's delay stays on
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, int(port)))
    listener.listen(256)
    return listener
