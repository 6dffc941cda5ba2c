"""What comes in bursts: the first of one is done at once, all of the next moment as one. A thread does it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextvars import Context, copy_context

import structlog

log = structlog.get_logger(__name__)

MOMENT = 0.02  # seconds


class Burst:
    """Does `do` with each number that was added, once for all that were added in a moment.

    It waits in the memory of a process, and ends with it: for what may be lost.
    """

    def __init__(self, do: Callable[[int], None]) -> None:
        self._do = do
        self._begin()
        os.register_at_fork(after_in_child=self._begin)  # what was waiting is done by the parent

    def _begin(self) -> None:
        self._waiting: dict[int, Context] = {}
        self._added, self._doing, self._starting = threading.Event(), threading.Lock(), threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, number: int) -> None:
        """Have it done soon, under the request's id of whoever added it first."""
        self._waiting.setdefault(number, copy_context())
        if not self._added.is_set():
            self._added.set()
        if self._thread is None:
            self._start()

    def finish(self) -> None:
        """Do what waits now, and come back when it is done."""
        with self._doing:
            self._added.clear()  # whatever is added from here on sets it again
            for _ in range(len(self._waiting)):
                number, context = self._waiting.popitem()
                context.run(self._do, number)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="bursts", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            self._added.wait()
            try:
                self.finish()
            except Exception:
                log.exception("burst_not_done")  # what came with it may be lost; what comes next is done
            time.sleep(MOMENT)
