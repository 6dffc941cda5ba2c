"""What both simulators stand on: a server in a thread of a test, orders for things to go wrong that are counted, WAV.

They share nothing else, and nothing with what they test.
"""

from __future__ import annotations

import io
import random
import socket
import threading
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn

HOST = "127.0.0.1"
STARTS_WITHIN = 10  # seconds


@dataclass(kw_only=True)
class Counted:
    """How often an order strikes: after `skip` matching events, `times` times (None: always), with `probability`."""

    times: int | None = None
    skip: int = 0
    probability: float = 1.0
    seen: int = 0
    fired: int = 0

    def strikes(self, rng: random.Random) -> bool:
        """Whether this order fires on a matching event; counts it."""
        self.seen += 1
        if self.seen <= self.skip or (self.times is not None and self.fired >= self.times):
            return False
        if self.probability < 1.0 and rng.random() >= self.probability:
            return False
        self.fired += 1
        return True


@contextmanager
def in_a_thread(build: Callable[[int], uvicorn.Server], *, name: str, port: int = 0) -> Iterator[str]:
    """The address of a server in a thread of this process, on a free port unless one is given."""
    # Named as TCP: asyncio switches off Nagle's delay (40 ms an answer) only on sockets that say so.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(256)
        port = listener.getsockname()[1]
        server = build(port)
        thread = threading.Thread(target=server.run, args=([listener],), name=name, daemon=True)
        thread.start()
        try:
            deadline = time.monotonic() + STARTS_WITHIN
            while not server.started:
                if not thread.is_alive() or time.monotonic() > deadline:
                    raise RuntimeError("the simulator did not start")
                time.sleep(0.005)
            yield f"http://{HOST}:{port}"
        finally:
            server.should_exit = True
            thread.join(timeout=STARTS_WITHIN)


def wav(pcm: bytes, *, rate: int) -> bytes:
    """16-bit little-endian mono PCM of `rate` samples a second as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(rate)
        written.writeframes(pcm)
    return file.getvalue()
