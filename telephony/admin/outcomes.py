"""How a campaign's calls ended, how long its conversations were, and when they took place: counted from the rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.urls import reverse
from django.utils.safestring import SafeString

from integrations.calls import Outcome
from telephony.admin.chart import GROUP_OF_OUTCOME, GROUPS
from telephony.admin.pieces import render
from telephony.admin.words import OUTCOME_TONES
from telephony.journal.statistics import LENGTHS, Span, by_length, count, groups_of, over_time
from telephony.models import CallStatus, Run

UTC = ZoneInfo("UTC")


def outcomes(run: Run, *, now: datetime) -> SafeString:
    """The card of a campaign's page."""
    span = Span(since=run.created_at, until=max(run.finished_at or now, run.created_at), zone=UTC)
    groups = groups_of(workspace_id=run.workspace_id, span=span, run_id=run.pk)
    groups = [group for group in groups if group.status != CallStatus.CANCELLED]
    ended = count([group for group in groups if group.outcome], lambda group: group.outcome)
    total = sum(ended.values())
    rows = [
        {
            "words": Outcome(name).label,
            "tone": OUTCOME_TONES.get(name, "bad"),
            "count": f"{calls:,}",
            "percent": f"{calls / total:.0%}",
            "width": f"{calls * 100 / total:.2f}",
            "url": f"{reverse('admin:telephony_call_changelist')}?run={run.pk}&outcome={name}",
        }
        for name, calls in ended.most_common()
    ]
    steps = [(step, _grouped(told)) for step, told in over_time(groups, span)]
    lengths = by_length(groups)
    return render(
        "run/outcomes",
        rows=rows,
        lengths=_columns([(_length(place), [("ok", calls)]) for place, calls in enumerate(lengths)])
        if any(lengths)
        else [],
        steps=_columns([(_moment(step, span), told) for step, told in steps]) if len(steps) > 1 else [],
        by_hour=span.is_by_hour,
    )


def _grouped(told: Any) -> list[tuple[str, int]]:
    """Calls by outcome as parts of a column: (tone, calls)."""
    parts = dict.fromkeys(GROUPS, 0)
    for outcome, calls in told.items():
        parts[GROUP_OF_OUTCOME.get(outcome, "failed")] += calls
    return [(GROUPS[name][0], calls) for name, calls in parts.items() if calls]


def _columns(counted: list[tuple[tuple[str, str], list[tuple[str, int]]]]) -> list[dict[str, Any]]:
    highest = max((sum(calls for _, calls in parts) for _, parts in counted), default=0) or 1
    return [
        {
            "label": label,
            "hint": f"{hint}: {sum(calls for _, calls in parts):,}",
            "parts": [{"tone": tone, "height": f"{calls * 100 / highest:.2f}"} for tone, calls in parts if calls],
        }
        for (label, hint), parts in counted
    ]


def _length(place: int) -> tuple[str, str]:
    """From which length on, in short, and both ends in words."""
    low = _seconds(LENGTHS[place])
    if place + 1 == len(LENGTHS):
        return f"{low}+", f"{low} and longer"
    return low, f"{low} to {_seconds(LENGTHS[place + 1])}"


def _seconds(length: int) -> str:
    return f"{length} s" if length < 60 else f"{length // 60} min"


def _moment(step: datetime, span: Span) -> tuple[str, str]:
    if span.is_by_hour:
        return f"{step:%H}:00", f"{step:%d %b, %H}:00 UTC"
    return f"{step.day} {step:%b}", f"{step:%A, %d %b}"
