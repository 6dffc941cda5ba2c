"""Reading rows from async code: in a few threads of its own, each giving its connection back when it has read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connections

R = TypeVar("R")

_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="rows")


async def read(query: Callable[[], R]) -> R:
    """What `query` returns, run in a thread."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _and_give_back, query)


def _and_give_back(query: Callable[[], R]) -> R:
    try:
        return query()
    finally:
        connections.close_all()
