"""What a journal is narrowed down to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from integrations.calls import Outcome
from telephony.models import CallStatus

STATUS_OF_OUTCOME = {  # a call that ended so has this status; one that failed, any other outcome
    Outcome.ANSWERED: CallStatus.DONE,
    Outcome.VOICEMAIL: CallStatus.DONE,
    Outcome.CANCELLED: CallStatus.CANCELLED,
}


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Conditions that all hold.

    `since` and `until` are inclusive, in UTC; `run_id` is a campaign's own row id; `q` is looked for in texts.
    """

    statuses: tuple[CallStatus, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    run_id: int | None = None
    outcomes: tuple[Outcome, ...] = ()
    q: str = ""

    @property
    def in_statuses(self) -> tuple[CallStatus, ...]:
        """The statuses in which to look: those asked for, else those that the outcomes asked for come with."""
        if self.statuses:
            return self.statuses
        return tuple(dict.fromkeys(STATUS_OF_OUTCOME.get(each, CallStatus.FAILED) for each in self.outcomes))

    @property
    def days(self) -> tuple[date | None, date | None] | None:
        """First and last UTC day (None: unbounded) where these are whole days, else None."""
        first, last = _utc(self.since), _utc(self.until)
        if (first and first.time() != time.min) or (last and last.time() != time.max):
            return None
        return first and first.date(), last and last.date()


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)
