"""What may wait (the database, a bridge's answer), done in threads while the event loop goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from django.db import connection

R = TypeVar("R")

_pool = ThreadPoolExecutor(max_workers=10, thread_name_prefix="lines")


async def aside(do: Callable[..., R], *args: Any, **named: Any) -> R:
    """Call `do` in a thread, which gives its database connection back afterwards."""
    return await asyncio.get_running_loop().run_in_executor(_pool, partial(_run, do, args, named))


def _run(do: Callable[..., R], args: tuple[Any, ...], named: dict[str, Any]) -> R:
    try:
        return do(*args, **named)
    finally:
        connection.close()
