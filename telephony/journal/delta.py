"""The journal's cursors: where a reader stands, and where it stands after an answer. No record is ever skipped.

Ids and versions come from one sequence, a row that is locked last in a transaction and held until its commit. So
numbers become visible in order: whoever reads N in that row finds, in the same or any later snapshot, every record
with a number up to N. An answer is therefore made in this order:

1. The row is read (without waiting for who holds it): the *mark*.
2. Records are read in a snapshot that is not older, and bounded by the mark: `id <= mark`, or `version <= mark`.
3. An answer that holds all of them says `mark` as the place to go on from: everything up to it was seen, and whatever
   was being written meanwhile has, or will have, a higher number.
4. An answer that was cut says the last number it delivered, as it delivers in the order of the numbers.

A record that changes between 1 and 2 has a version above the mark: a reader by version does not see it now, and
finds it next time, in its newer state.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from aispinner.core.prepared import prepared

MARK = "(SELECT value FROM telephony_sequence WHERE id = 1)"


class Order(StrEnum):
    """What a page follows."""

    NEWEST = "newest"  # newest first; `after` may name the id to start below
    ID = "id"  # created after `after`, oldest first
    VERSION = "version"  # created or changed after `after`, in the order of the changes


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """Where a reader stands. `at` is None only for the newest page."""

    order: Order = Order.NEWEST
    at: int | None = None


@dataclass(frozen=True, kw_only=True)
class Point:
    """What to send next, as `since_id` and as `since_version`."""

    max_id: int
    max_version: int


def read_mark() -> int:
    """The highest number of which, and below which, everything is visible from now on."""
    with prepared() as cursor:
        cursor.execute(f"SELECT {MARK}")
        return int(cursor.fetchone()[0] or 0)


def next_point(*, cursor: Cursor, mark: int, cut: bool, last: int | None) -> Point:
    """Where a reader stands after a page; `last` is the page's last id, or last version when in that order.

    - The newest page, or a whole delta: everything up to the mark was seen, or is older than what was asked for.
    - An older page (`before_id`) says nothing of what is newer than itself: a reader that goes on from here must get
      all from `before_id` on, and every record from there on has a version that is at least as high.
    - A delta by id that was cut: what was not delivered has a higher id, and so a higher version.
    - A delta by version that was cut: what was not delivered has a higher version, but perhaps a low id; the only id
      below which nothing is missing is where the reader stood before.
    """
    at = 0 if cursor.at is None else cursor.at
    if cursor.order is Order.NEWEST:
        point = mark if cursor.at is None else min(mark, max(0, at - 1))
        return Point(max_id=point, max_version=point)
    if not cut or last is None:
        return Point(max_id=mark, max_version=mark)
    if cursor.order is Order.ID:
        return Point(max_id=last, max_version=last)
    return Point(max_id=min(at, last), max_version=last)
