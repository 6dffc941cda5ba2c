"""What came of calls over a time: counted from the rows in one statement, so that every figure agrees with the others.

The calls are grouped by hour, status, outcome and length; everything told is a sum over these few groups.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from django.db import connection
from psycopg import sql

from telephony.journal.filters import Filters
from telephony.journal.query import id_bounds
from telephony.models import CallStatus

K = TypeVar("K")

LENGTHS = (0, 10, 30, 60, 120, 180, 300, 600)  # seconds from which each length of call counts; the last has no end
BY_HOUR_UP_TO = timedelta(days=3)  # longer times are told day by day


class Group(NamedTuple):
    """So many calls that began in an hour (on the wall clock of the time zone asked for), alike in all we tell."""

    hour: datetime
    status: str
    outcome: str
    length: int  # place in LENGTHS
    calls: int
    duration_sec: int


@dataclass(frozen=True, kw_only=True)
class Span:
    """A time, both ends included, and the clock on the wall that hours and days go by."""

    since: datetime
    until: datetime
    zone: ZoneInfo

    @property
    def is_by_hour(self) -> bool:
        """Whether it is told hour by hour, else day by day."""
        return self.until - self.since <= BY_HOUR_UP_TO

    def step_of(self, wall: datetime) -> datetime:
        """The hour or day that a time on the wall belongs to."""
        return wall.replace(hour=wall.hour if self.is_by_hour else 0, minute=0, second=0, microsecond=0)

    def steps(self) -> Iterator[datetime]:
        """Every hour or day of it, on the wall."""
        one = timedelta(hours=1) if self.is_by_hour else timedelta(days=1)
        step, last = (
            self.step_of(each.astimezone(self.zone).replace(tzinfo=None)) for each in (self.since, self.until)
        )
        while step <= last:
            yield step
            step += one


def groups_of(*, workspace_id: int, span: Span, run_id: int | None = None) -> list[Group]:
    """The calls of a workspace, or of one of its campaigns, that began within `span`."""
    bounds = id_bounds(Filters(since=span.since, until=span.until))
    if bounds is None:
        return []
    conditions = [sql.SQL("c.workspace_id = {}").format(workspace_id), *bounds]
    if run_id is not None:
        conditions.append(sql.SQL("c.run_id = {}").format(run_id))
    query = sql.SQL(
        "SELECT date_trunc('hour', c.created_at AT TIME ZONE {zone}), c.status, c.outcome,"
        " width_bucket(c.duration_sec, {lengths}::int[]) - 1, count(*), sum(c.duration_sec)"
        " FROM telephony_call c WHERE {where} GROUP BY 1, 2, 3, 4"
    ).format(zone=span.zone.key, lengths=list(LENGTHS), where=sql.SQL(" AND ").join(conditions))
    with connection.cursor() as cursor:
        cursor.execute(query)
        return [Group._make(row) for row in cursor.fetchall()]


def count(groups: Sequence[Group], by: Callable[[Group], K]) -> Counter[K]:
    """How many calls there are of each kind that `by` tells apart."""
    found: Counter[K] = Counter()
    for group in groups:
        found[by(group)] += group.calls
    return found


def over_time(groups: Sequence[Group], span: Span) -> Iterator[tuple[datetime, Counter[str]]]:
    """Every step of the span with its calls by outcome; those that have none yet are under ""."""
    counted = count(groups, lambda group: (span.step_of(group.hour), group.outcome))
    found: dict[datetime, Counter[str]] = {step: Counter() for step in span.steps()}
    for (step, outcome), calls in counted.items():
        found.setdefault(step, Counter())[outcome] = calls
    for step in sorted(found):
        yield step.replace(tzinfo=span.zone), found[step]


def by_length(groups: Sequence[Group]) -> list[int]:
    """How many conversations took as long as each of LENGTHS says."""
    counted = count([group for group in groups if group.status == CallStatus.DONE], lambda group: group.length)
    return [counted[place] for place in range(len(LENGTHS))]


def by_hour_of_day(groups: Sequence[Group]) -> list[tuple[int, int]]:
    """For each hour of the day: calls that ended, and those of them that were picked up."""
    counted = count(groups, lambda group: (group.hour.hour, group.status))
    done, failed = CallStatus.DONE, CallStatus.FAILED
    return [(counted[hour, done] + counted[hour, failed], counted[hour, done]) for hour in range(24)]
