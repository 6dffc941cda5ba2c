"""What may wait (the database, files, a blocking request), done in threads while the event loop goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import connections

P = ParamSpec("P")
R = TypeVar("R")

_waiting = ThreadPoolExecutor(max_workers=10, thread_name_prefix="aside")
encoding = ThreadPoolExecutor(max_workers=2, thread_name_prefix="encoding")  # for what takes time of the processor


async def aside(do: Callable[P, R], *args: P.args, **named: P.kwargs) -> R:
    """Call `do` in a thread, which gives its database connections back afterwards."""
    return await asyncio.get_running_loop().run_in_executor(_waiting, partial(_run, partial(do, *args, **named)))


def _run(do: Callable[[], R]) -> R:
    try:
        return do()
    finally:
        connections.close_all()
