"""How long a workspace keeps what: `retention` in its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from telephony.models import TelephonySettings

MOST_DAYS = 36_500


@dataclass(frozen=True, kw_only=True)
class Retention:
    """Days after which something is deleted; None: never.

    `transcripts_days` is of all that was said (transcript and summary), `audio_days` of recordings, `calls_days` of
    calls as a whole, with both.
    """

    calls_days: int | None = None
    transcripts_days: int | None = None
    audio_days: int | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, name) is not None for name in NAMES)


NAMES = tuple(field.name for field in fields(Retention))


def before(days: int, *, now: datetime) -> datetime:
    """What is older than this is older than so many days."""
    return now - timedelta(days=days)


def is_days(value: Any) -> bool:
    """Whether `value` is a number of days that may be kept for."""
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_DAYS


def retentions() -> Mapping[int, Retention]:
    """What the workspaces have set, by workspace; those that have set nothing are left out."""
    stored = {row.workspace_id: row.settings_json.get("retention") for row in TelephonySettings.objects.all()}
    found = {workspace_id: Retention(**each) for workspace_id, each in sorted(stored.items()) if each}
    return {workspace_id: retention for workspace_id, retention in found.items() if retention}
