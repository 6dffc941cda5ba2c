"""Rows looked up a moment ago, remembered for so short a time that no other process needs to be told to forget them.

What was changed elsewhere is believed here for GOOD_FOR at most, whether Valkey is up or not. What is changed in this
process is forgotten at once.
"""

from __future__ import annotations

import time
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import transaction
from django.db.models import Model
from django.db.models.signals import post_delete, post_save

GOOD_FOR = 0.5  # seconds; "refused everywhere within a second" leaves no more than that
MOST = 10_000  # values of one moment
Value = TypeVar("Value")


class Look(NamedTuple):
    """When a row was looked for (time.monotonic()), and how often everything had been forgotten before."""

    at: float
    forgotten: int


class Recent(Generic[Value]):
    """Values by what they were asked for; all forgotten when a row of one of `models` is saved or deleted here."""

    def __init__(self, *models: type[Model]) -> None:
        self._kept: dict[str, tuple[float, Value]] = {}
        self._forgotten = 0
        for model in models:
            post_save.connect(self._changed, sender=model)
            post_delete.connect(self._changed, sender=model)

    def look(self) -> Look:
        """To be had before a row is looked up."""
        return Look(time.monotonic(), self._forgotten)

    def recall(self, name: str) -> Value | None:
        """The value, the same for all who ask; None where it has to be looked up."""
        found = self._kept.get(name)
        if found is None or time.monotonic() - found[0] > GOOD_FOR:
            return None
        return found[1]

    def remember(self, name: str, value: Value, look: Look) -> None:
        """Keep what was found good, unless something was changed here after `look`."""
        if len(self._kept) >= MOST:
            self._kept.clear()
        if look.forgotten == self._forgotten:
            self._kept[name] = (look.at, value)

    def forget(self) -> None:
        """Whatever was known may have changed."""
        self._forgotten += 1
        self._kept.clear()

    def _changed(self, **_: Any) -> None:
        """Until the commit, others still find what was."""
        self.forget()
        transaction.on_commit(self.forget, robust=True)
