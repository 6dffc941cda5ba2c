"""Holding on to a PBX: connected, served until the connection breaks, connected again, later where it fails."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable

from integrations.asterisk.client import Ari, Login, open_ari
from integrations.errors import Answer, ProviderError, Reason

FIRST_WAIT, LONGEST_WAIT = 0.25, 15.0  # seconds
REFUSED_WAIT = 30.0  # credentials may be put right at the PBX, too
LASTED = 10.0  # a connection that held for so long was a good one: the next attempt comes soon


class TakenError(Exception):
    """Another program has taken our application's name at the PBX: coming back would take it from there, in a loop."""


async def keep_listening(
    login: Login, *, serve: Callable[[Ari], Awaitable[None]], failed: Callable[[Reason], Awaitable[None]]
) -> None:
    """Serve one connection after the other, for ever; `failed` hears why there is none now.

    `serve` returns when its connection is gone. TakenError, which it raises, ends it all.
    """
    loop = asyncio.get_running_loop()
    attempts = 0
    while True:
        began, wait, reason = loop.time(), 0.0, Reason.PBX_DOWN
        try:
            async with open_ari(login) as ari:
                await serve(ari)
        except ProviderError as error:
            reason = error.reason
            wait = REFUSED_WAIT if error.answer is Answer.REFUSED else 0.0
        await failed(reason)
        attempts = 0 if loop.time() - began > LASTED else attempts + 1
        backoff = min(FIRST_WAIT * 2.0 ** min(attempts, 10), LONGEST_WAIT)
        await asyncio.sleep(max(wait, backoff * (0.8 + 0.4 * secrets.randbelow(1000) / 1000)))
