"""A worker's event loop: it tells whoever asks that the server is about to stop, which granian keeps to itself.

Granian waits for open connections before it ends the lifespan; streams and sockets must hear of it before that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVarTuple, Unpack

from granian import loops

Arguments = TypeVarTuple("Arguments")
HEAD_START = 0.3  # seconds in which whoever is connected is told, before granian begins to stop
_listeners: list[Callable[[], object]] = []


def when_stopping(listener: Callable[[], object]) -> None:
    """Call `listener`, in the loop, when a signal to stop arrives."""
    _listeners.append(listener)


class Loop(asyncio.SelectorEventLoop):
    """asyncio's own, whose signal handlers (granian's) are preceded by the listeners."""

    def add_signal_handler(self, sig: int, callback: Callable[[Unpack[Arguments]], object], *args: *Arguments) -> None:
        """As asyncio's."""

        def told() -> None:
            for listener in _listeners:
                listener()
            self.call_later(HEAD_START, callback, *args)  # granian cuts sockets off at once

        super().add_signal_handler(sig, told)


@loops.register("asyncio")
def make_loop() -> asyncio.AbstractEventLoop:
    """What a worker runs on, set as the current loop."""
    loop = Loop()
    asyncio.set_event_loop(loop)
    return loop
