"""How often one token, or one person on our pages, may ask.

A counter in Valkey for all processes. Each process takes a slice of what is left, and hands it out from memory.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.contrib.auth.models import User
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from aispinner.core import broker
from aispinner.core.models import ApiToken

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which imports this

log = structlog.get_logger(__name__)

PAUSE = 5.0  # seconds without counting, after Valkey did not answer: nobody shall wait for it with every request
SLICES, LARGEST_SLICE = 100, 50  # a hundredth of the rate, as what one process took and does not need is lost to others
REMEMBERED = 10_000  # callers with a slice


@dataclass
class Slice:
    """Requests that may be answered before `until` (time.monotonic()) without asking Valkey."""

    requests: int
    until: float


class TokenThrottle(BaseThrottle):
    """`API_RATE` requests of a token, counted from the first on; then 429 until its time is over.

    Never more, whatever the number of processes; fewer by what others have taken and not used: at most a slice each.
    While Valkey is away nothing is counted: reading goes on without it.
    """

    _away_until = 0.0

    def __init__(self) -> None:
        self._wait: float | None = None

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Whether this request may be answered."""
        rate: tuple[int, int] | None = settings.API_RATE
        who = _who(request)
        if rate is None or who is None or _from_slice(who) or time.monotonic() < TokenThrottle._away_until:
            return True
        most, seconds = rate
        wanted = min(LARGEST_SLICE, max(1, most // SLICES))
        try:
            count, left = _count(f"rate:{who}", wanted, seconds)
        except RedisError as error:
            TokenThrottle._away_until = time.monotonic() + PAUSE
            log.warning("requests_not_counted", error=type(error).__name__)
            return True
        granted = min(wanted, most - (count - wanted))
        if granted > 1:
            _keep(who, Slice(granted - 1, until=time.monotonic() + left / 1000))
        self._wait = left / 1000
        return granted > 0

    def wait(self) -> float | None:
        """Seconds until it may be tried again."""
        return self._wait


_slices: dict[str, Slice] = {}
_lock = threading.Lock()


def forget() -> None:
    """Ask Valkey again for everybody."""
    with _lock:
        _slices.clear()


def _from_slice(who: str) -> bool:
    with _lock:
        found = _slices.get(who)
        if found is None:
            return False
        found.requests -= 1
        good = found.until > time.monotonic()
        if not good or found.requests == 0:
            del _slices[who]
        return good


def _keep(who: str, taken: Slice) -> None:
    """Beside what another thread may have taken meanwhile."""
    with _lock:
        found = _slices.get(who)
        if found is not None and found.until > time.monotonic():
            taken.requests += found.requests
        elif len(_slices) >= REMEMBERED:
            _slices.clear()
        _slices[who] = taken


def _who(request: Request) -> str | None:
    """Whose requests are counted together; None for those that nobody has to answer for."""
    if isinstance(request.auth, ApiToken):
        return str(request.auth.pk)
    return f"user:{request.user.pk}" if isinstance(request.user, User) else None


def _count(name: str, requests: int, seconds: int) -> tuple[int, int]:
    """So many more; how many there are now, and after how many milliseconds the counting begins anew."""
    key = broker.key(name)
    with broker.client().pipeline(transaction=False) as pipeline:
        pipeline.incrby(key, requests)
        pipeline.expire(key, seconds, nx=True)  # every time: a counter that lost its end would stay for ever
        pipeline.pttl(key)
        count, _, left = pipeline.execute()
    return int(count), max(0, int(left))
