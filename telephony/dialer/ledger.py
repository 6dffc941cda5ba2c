"""Numbers in commit order, and the journal's totals. Both rows are held until commit, the sequence last of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from django.db import connection

from telephony.models import Call

_TAKE = """
INSERT INTO telephony_sequence AS s (id, value, at) VALUES (1, %s, clock_timestamp())
ON CONFLICT (id) DO UPDATE
   SET value = s.value + excluded.value, at = greatest(s.at + interval '1 microsecond', clock_timestamp())
RETURNING value, at
"""
_ADD = """
INSERT INTO telephony_journaltotal AS t (workspace_id, node_id, status, day, calls, duration_sec)
SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::date[], %s::int[], %s::bigint[])
ON CONFLICT (workspace_id, node_id, status, day)
DO UPDATE SET calls = t.calls + excluded.calls, duration_sec = t.duration_sec + excluded.duration_sec
"""


Key = tuple[int, int | None, str, date | None]  # workspace, node, status, day


class DayTurnedError(Exception):
    """Midnight (UTC) fell between counting new calls and numbering them: roll back and do it again."""


def take_numbers(count: int, *, counted_on: date | None = None) -> tuple[Iterator[int], datetime]:
    """`count` numbers of the one sequence and the moment they stand for.

    To be called last in a transaction: the row stays locked until commit, so that numbers become visible in
    order and a reader that has seen N has seen everything below it. New calls were `counted_on` a day before
    their moment was known; DayTurnedError where that was not the day.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [count])
        last, at = cursor.fetchone()
    if counted_on is not None and at.astimezone(UTC).date() != counted_on:
        raise DayTurnedError
    return iter(range(last - count + 1, last + 1)), at


@dataclass
class Totals:
    """Changes to the journal's totals, gathered over a transaction and written in one statement."""

    calls: Counter[Key] = field(default_factory=Counter)
    seconds: Counter[Key] = field(default_factory=Counter)

    def add(self, call: Call, *, day: date, times: int = 1) -> None:
        """Count `call`, as it is now, in (so many `times`) or out (-1): for its workspace and each node on its way,
        on its day and over all days.
        """
        for node in {None, call.pbx_node_id, call.phone_node_id, call.agent_node_id}:
            for when in (day, None):
                key = (call.workspace_id, node, str(call.status), when)
                self.calls[key] += times
                self.seconds[key] += times * call.duration_sec

    def write(self) -> None:
        """Add everything gathered to the stored totals, rows in one order for all writers."""
        keys = sorted(
            (key for key in self.calls if self.calls[key] or self.seconds[key]),
            key=lambda key: (key[0], key[1] or 0, key[2], key[3] or date.min),
        )
        if not keys:
            return
        columns = [*map(list, zip(*keys, strict=True)), [self.calls[k] for k in keys], [self.seconds[k] for k in keys]]
        with connection.cursor() as cursor:
            cursor.execute(_ADD, columns)
