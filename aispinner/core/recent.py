"""Rows looked up a moment ago, remembered for so short a time that no other process needs to be told to forget them.

What was changed elsewhere is believed here for GOOD_FOR at most, whether Valkey is up or not. What is changed in this
process is forgotten at once.
"""

from __future__ import annotations

import time
from typing import Any, Generic, TypeVar

from django.db.models import Model
from django.db.models.signals import post_delete, post_save

GOOD_FOR = 0.5  # seconds; "refused everywhere within a second" leaves no more than that
MOST = 10_000  # values of one moment
Value = TypeVar("Value")


class Recent(Generic[Value]):
    """Values by what they were asked for; all forgotten when a row of one of `models` is saved or deleted here."""

    def __init__(self, *models: type[Model]) -> None:
        self._kept: dict[str, tuple[float, Value]] = {}
        for model in models:
            post_save.connect(self.forget, sender=model)
            post_delete.connect(self.forget, sender=model)

    def recall(self, name: str) -> Value | None:
        """The value, the same for all who ask; None where it has to be looked up."""
        found = self._kept.get(name)
        if found is None or time.monotonic() - found[0] > GOOD_FOR:
            return None
        return found[1]

    def remember(self, name: str, value: Value, *, since: float) -> None:
        """Keep what was found good; `since` is time.monotonic() from before it was looked up."""
        if len(self._kept) >= MOST:
            self._kept.clear()
        self._kept[name] = (since, value)

    def forget(self, **_: Any) -> None:
        """Whatever was known may have changed."""
        self._kept.clear()
