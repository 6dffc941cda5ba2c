"""Tokens looked up a moment ago, remembered for so short a time that no other process needs to be told to forget them.

A token revoked, expired by hand, or of a user who was deactivated elsewhere is good here for GOOD_FOR at most, whether
Valkey is up or not. What is done in this process is forgotten at once.
"""

from __future__ import annotations

import time
from typing import Any

from django.contrib.auth.models import User
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from aispinner.core.models import ApiToken

GOOD_FOR = 0.5  # seconds; "refused everywhere within a second" leaves no more than that
MOST = 10_000  # tokens of one moment

_kept: dict[str, tuple[float, ApiToken]] = {}


def recall(digest: str) -> ApiToken | None:
    """The token's row with its user, the same for all who ask; None where it has to be looked up."""
    found = _kept.get(digest)
    if found is None or time.monotonic() - found[0] > GOOD_FOR:
        return None
    return found[1]


def remember(digest: str, token: ApiToken, *, since: float) -> None:
    """Keep a token that was found good; `since` is time.monotonic() from before it was looked up."""
    if len(_kept) >= MOST:
        _kept.clear()
    _kept[digest] = (since, token)


@receiver([post_save, post_delete], sender=ApiToken)
@receiver([post_save, post_delete], sender=User)
def forget(**_: Any) -> None:
    """Whatever was known may have changed."""
    _kept.clear()
