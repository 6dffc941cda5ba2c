"""How often one token, or one person on our pages, may ask.

A counter in Valkey, one round trip a request; DRF's own sends a list to and fro.
"""

from __future__ import annotations

import time
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


class TokenThrottle(BaseThrottle):
    """`API_RATE` requests of a token, counted from the first on; then 429 until its time is over.

    While Valkey is away nothing is counted: reading goes on without it.
    """

    _away_until = 0.0

    def __init__(self) -> None:
        self._wait: float | None = None

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Whether this request may be answered."""
        rate: tuple[int, int] | None = settings.API_RATE
        who = _who(request)
        if rate is None or who is None or time.monotonic() < TokenThrottle._away_until:
            return True
        most, seconds = rate
        try:
            count, left = _count(f"rate:{who}", seconds)
        except RedisError as error:
            TokenThrottle._away_until = time.monotonic() + PAUSE
            log.warning("requests_not_counted", error=type(error).__name__)
            return True
        self._wait = left / 1000
        return count <= most

    def wait(self) -> float | None:
        """Seconds until it may be tried again."""
        return self._wait


def _who(request: Request) -> str | None:
    """Whose requests are counted together; None for those that nobody has to answer for."""
    if isinstance(request.auth, ApiToken):
        return str(request.auth.pk)
    return f"user:{request.user.pk}" if isinstance(request.user, User) else None


def _count(name: str, seconds: int) -> tuple[int, int]:
    """One more; how many there are now, and after how many milliseconds the counting begins anew."""
    key = broker.key(name)
    with broker.client().pipeline(transaction=False) as pipeline:
        pipeline.incr(key)
        pipeline.expire(key, seconds, nx=True)  # on every request: a counter that lost its end would stay for ever
        pipeline.pttl(key)
        count, _, left = pipeline.execute()
    return int(count), max(0, int(left))
