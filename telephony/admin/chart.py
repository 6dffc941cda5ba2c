"""Calls over time by how they ended, and how many were picked up; quick whatever the size of the journal."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Count, QuerySet, Sum
from django.db.models.functions import TruncDay, TruncHour
from django.utils.safestring import SafeString

from integrations.calls import Outcome
from telephony.admin.pieces import render
from telephony.models import Call, CallStatus, JournalTotal

MOST_CALLS = 50_000  # up to here calls are counted by outcome; above, the kept totals tell the status alone
HOURS, DAYS = 24, 14

GROUPS = {  # in the order of the column, from below: name → (tone, words)
    "answered": ("ok", "Answered"),
    "voicemail": ("voice", "Voicemail"),
    "reached": ("ok", "Picked up"),
    "unanswered": ("wait", "No answer or busy"),
    "failed": ("bad", "Failed"),
    "open": ("live", "Going on"),
}
GROUP_OF_OUTCOME = {
    Outcome.ANSWERED: "answered",
    Outcome.VOICEMAIL: "voicemail",
    Outcome.NO_ANSWER: "unanswered",
    Outcome.BUSY: "unanswered",
    "": "open",
}
PICKED_UP = ("answered", "voicemail", "reached")
ENDED = (*PICKED_UP, "unanswered", "failed")
GROUP_OF_STATUS = {CallStatus.DONE: "reached", CallStatus.FAILED: "failed"}


@dataclass
class Column:
    """An hour or a day, and its calls by group."""

    start: datetime
    label: str
    hint: str
    counts: Counter[str] = field(default_factory=Counter)


def columns_of(calls: QuerySet[Call], totals: QuerySet[JournalTotal], *, period: str, now: datetime) -> list[Column]:
    """The last 24 hours, or 14 days, counted once for all charts."""
    first_day = (
        (now - timedelta(days=DAYS - 1)).date() if period == "days" else (now - timedelta(hours=HOURS - 1)).date()
    )
    many = totals.filter(day__gte=first_day).aggregate(n=Sum("calls"))["n"] or 0
    by_outcome = many <= MOST_CALLS
    if period == "days" or not by_outcome:
        columns = _days(now)
        rows = _by_outcome(calls, columns[0].start, TruncDay) if by_outcome else _by_status(totals, columns[0].start)
    else:
        columns = _hours(now)
        rows = _by_outcome(calls, columns[0].start, TruncHour)
    at = {column.start: column for column in columns}
    for start, group, count in rows:
        if start in at:
            at[start].counts[group] += count
    return columns


def _hours(now: datetime) -> list[Column]:
    last = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    starts = [last - timedelta(hours=back) for back in reversed(range(HOURS))]
    return [
        Column(start, f"{start:%H}" if start.hour % 3 == 0 else "", f"{start:%d %b, %H}:00 to {start:%H}:59 UTC")
        for start in starts
    ]


def _days(now: datetime) -> list[Column]:
    last = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    starts = [last - timedelta(days=back) for back in reversed(range(DAYS))]
    return [
        Column(start, f"{start.day} {start:%b}" if back % 2 == 1 else "", f"{start:%A, %d %b}")
        for back, start in enumerate(starts)
    ]


def _by_outcome(calls: QuerySet[Call], since: datetime, truncate: Any) -> list[tuple[datetime, str, int]]:
    lowest = (
        Call.objects.filter(created_at__gte=since).order_by("created_at", "pk").values_list("pk", flat=True).first()
    )
    if lowest is None:
        return []
    rows = calls.filter(pk__gte=lowest).exclude(status=CallStatus.CANCELLED).order_by()
    counted = rows.values_list(truncate("created_at", tzinfo=UTC), "outcome").annotate(n=Count("pk"))
    return [(start, GROUP_OF_OUTCOME.get(outcome, "failed"), n) for start, outcome, n in counted]


def _by_status(totals: QuerySet[JournalTotal], since: datetime) -> list[tuple[datetime, str, int]]:
    rows = totals.filter(day__gte=since.date()).exclude(status=CallStatus.CANCELLED).order_by()
    return [
        (datetime(day.year, day.month, day.day, tzinfo=UTC), GROUP_OF_STATUS.get(status, "open"), n)
        for day, status, n in rows.values_list("day", "status").annotate(n=Sum("calls"))
    ]


def rates(columns: list[Column]) -> SafeString:
    """How many of the calls that ended were picked up, column by column."""
    counted = [(sum(c.counts[name] for name in PICKED_UP), sum(c.counts[name] for name in ENDED)) for c in columns]
    picked_up, ended = (sum(each[place] for each in counted) for place in (0, 1))
    drawn = [
        {
            "label": column.label,
            "hint": f"{column.hint}\n{_percent(picked, of)} picked up, {picked:,} of {of:,}" if of else column.hint,
            "parts": [{"tone": "voice", "height": f"{picked * 100 / of:.2f}"}] if of else [],
        }
        for column, (picked, of) in zip(columns, counted, strict=True)
    ]
    words = f"picked up, {picked_up:,} of {ended:,} calls that ended"
    legend = [("voice", words, _percent(picked_up, ended))] if ended else []
    return render("dashboard/chart", columns=drawn, legend=legend, highest="100%", name="Answer rate", low=True)


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "—"


def chart(columns: list[Column]) -> SafeString:
    """Calls by outcome, column by column."""
    highest = max((column.counts.total() for column in columns), default=0)
    used = [name for name in GROUPS if any(column.counts[name] for column in columns)]
    drawn = [
        {
            "label": column.label,
            "hint": "\n".join(
                [column.hint, *(f"{GROUPS[name][1]}: {column.counts[name]:,}" for name in used if column.counts[name])]
            ),
            "parts": [
                {"tone": GROUPS[name][0], "height": f"{column.counts[name] * 100 / highest:.2f}"}
                for name in used
                if column.counts[name]
            ],
        }
        for column in columns
    ]
    legend = [
        (GROUPS[name][0], GROUPS[name][1], f"{sum(column.counts[name] for column in columns):,}") for name in used
    ]
    return render("dashboard/chart", columns=drawn, legend=legend, highest=f"{highest:,}", name="Calls by outcome")
