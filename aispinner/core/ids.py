"""Public ids: a prefix that says what it is, then 26 characters that sort by time and cannot be guessed."""

from __future__ import annotations

import secrets
import time

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(prefix: str) -> str:
    """`prefix_` and a lower-case ULID (https://github.com/ulid/spec): 48 bits of milliseconds, 80 of chance."""
    number = (time.time_ns() // 1_000_000 << 80) | secrets.randbits(80)
    return f"{prefix}_" + "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))
