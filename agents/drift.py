"""What changed in an agent's configuration since it was adopted. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Change:
    """One difference; `path` joins names and places with dots. None where there was, or is, nothing."""

    path: str
    adopted: Any
    now: Any


def changes(adopted: Any, now: Any) -> list[Change]:
    """Every leaf that differs, in the order of its path; lists are compared place by place."""
    return list(_changes(adopted, now, ""))


def _changes(adopted: Any, now: Any, path: str) -> Iterator[Change]:
    if isinstance(adopted, Mapping) and isinstance(now, Mapping):
        for name in sorted(set(adopted) | set(now)):
            yield from _changes(adopted.get(name), now.get(name), f"{path}.{name}" if path else name)
    elif isinstance(adopted, list) and isinstance(now, list) and len(adopted) == len(now):
        for place, (before, after) in enumerate(zip(adopted, now, strict=True)):
            yield from _changes(before, after, f"{path}.{place}")
    elif adopted != now:
        yield Change(path=path, adopted=adopted, now=now)
