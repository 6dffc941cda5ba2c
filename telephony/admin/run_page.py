"""What the page of one campaign shows, as parts that are rendered with the page and again while it is watched."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from aispinner.core.admin_html import duration, when
from telephony.admin.outcomes import outcomes
from telephony.admin.pieces import (
    MOVING,
    UNFINISHED,
    call_rows,
    chunk_rows,
    light,
    percent_done,
    progress_bar,
    render,
    segments,
)
from telephony.admin.words import event_words, next_attempt, run_badge, wait_words
from telephony.models import Call, CallEvent, Chunk, Run, RunStatus

CHUNKS_SHOWN = 8
CALLS_SHOWN = 10
EVENTS_SHOWN = 15
PACE_WINDOW = timedelta(minutes=5)
PACE_CALLS = 200  # calls looked at to tell the pace


def run_parts(run: Run, *, may_operate: bool) -> dict[str, SafeString]:
    """The live parts of the page by name."""
    now = timezone.now()
    return {
        "state": state_part(run, may_operate=may_operate),
        "progress": render(
            "run/progress",
            bar=progress_bar(run.progress),
            parts=segments(run.progress),
            percent=percent_done(run.progress),
        ),
        "figures": render("run/figures", figures=_figures(run, now=now)),
        "outcomes": outcomes(run, now=now),
        "wait": _wait_part(run, now=now),
        "chunks": render(
            "run/chunks", rows=chunk_rows(_latest_chunks(run)), run=run, more=run.progress.chunks_total > CHUNKS_SHOWN
        ),
        "calls": _calls_part(run),
        "timeline": render("timeline", events=_events(run), empty="Nothing has happened yet."),
    }


def state_part(run: Run, *, may_operate: bool, small: bool = False) -> SafeString:
    """The campaign's status and what can be done with it now."""
    return render(
        "run/state",
        badge="" if small else run_badge(run),
        small=small,
        run=run,
        may_rename=may_operate and small,
        may_pause=may_operate and run.status == RunStatus.RUNNING,
        may_resume=may_operate and run.status == RunStatus.PAUSED,
        may_cancel=may_operate and run.status in UNFINISHED,
    )


def is_live(run: Run) -> bool:
    """Whether anything about the campaign can still change by itself."""
    return run.status in MOVING or run.progress.in_flight > 0


def facts(run: Run) -> list[tuple[str, object]]:
    """What was set when the campaign began."""
    rows: list[tuple[str, object]] = [
        ("Campaign id", run.call_id),
        ("Workspace", run.workspace),
        ("Node", run.node),
        ("Agent", run.agent),
        ("Phone number", run.phone_provider or "—"),
        ("Voice stack", run.get_voice_stack_display()),
        ("Account", run.account),
        ("Key", run.api_key or "—"),
        ("Lines at once", run.max_concurrent),
        ("Pacing", run.get_pacing_display()),
        ("Created", when(run.created_at)),
        ("Created by", run.created_by or "—"),
        ("Started", when(run.started_at, empty="not yet")),
    ]
    return [*rows, ("Finished", when(run.finished_at))] if run.finished_at else rows


def _figures(run: Run, *, now: datetime) -> list[tuple[str, str, str]]:
    progress = run.progress
    ended = progress.success + progress.failed
    rate = f"{progress.success / ended:.0%}" if ended else "—"
    average = duration(progress.total_duration_sec // progress.success) if progress.success else "—"
    lines = f"{progress.in_flight} / {run.max_concurrent}"
    return [
        ("Numbers", f"{progress.numbers_count:,}", f"{progress.pending:,} to be dialled"),
        ("Success rate", rate, f"{progress.success:,} of {ended:,} ended calls"),
        ("Lines in use", lines, _left(run, now=now)),
        ("Talk time", duration(progress.total_duration_sec), f"{average} a call on average"),
    ]


def _left(run: Run, *, now: datetime) -> str:
    """How long it will take at the pace of the last minutes, in words."""
    if run.status != RunStatus.RUNNING:
        return "not dialling" if not run.progress.in_flight else "these calls end by themselves"
    latest = Call.objects.filter(run=run).order_by("-pk").values_list("ended_at", flat=True)[:PACE_CALLS]
    ends = [moment for moment in latest if moment and now - moment < PACE_WINDOW]
    if len(ends) < 5:
        return "dialling"
    seconds = max((now - min(ends)).total_seconds(), 1.0)
    left = (run.progress.pending + run.progress.in_flight) * seconds / len(ends)
    if left < 90:
        return "done in about a minute"
    return f"done in about {left / 60:.0f} min" if left < 5_400 else f"done in about {left / 3600:.1f} h"


def _wait_part(run: Run, *, now: datetime) -> SafeString:
    short, sentence = wait_words(run)
    if not short and run.status == RunStatus.PAUSED:
        short, sentence = "Paused", "Nothing is dialled until it is resumed. Calls that were up have ended."
    if not short and run.status == RunStatus.PAUSING:
        short, sentence = "Pausing", "Nothing more is dialled; the calls that are up end by themselves."
    return render(
        "run/wait",
        short=short,
        sentence=sentence,
        attempt=next_attempt(run, now=now),
        paused=run.status != RunStatus.RUNNING,
    )


def _latest_chunks(run: Run) -> list[Chunk]:
    return list(run.chunks.select_related("api_key").order_by("-pk")[:CHUNKS_SHOWN])


def _calls_part(run: Run) -> SafeString:
    calls = light(Call.objects.filter(run=run)).order_by("-pk")[:CALLS_SHOWN]
    every = f"{reverse('admin:telephony_call_changelist')}?run={run.pk}"
    return render(
        "calls_table", rows=call_rows(calls, with_run=False), every=every, empty="No call has been placed yet."
    )


def _events(run: Run) -> list[dict[str, Any]]:
    """The campaign's own events, with the names of those who did it; those of its calls are on their pages."""
    events = list(CallEvent.objects.filter(run=run, call__isnull=True).order_by("-pk")[:EVENTS_SHOWN])
    by = {
        event.data["by"] for event in events if isinstance(event.data, dict) and isinstance(event.data.get("by"), int)
    }
    people = {user.pk: user.get_full_name() or user.get_username() for user in User.objects.filter(pk__in=by)}
    return [event_words(event, people=people) for event in events]


def live_answer(run: Run, *, may_operate: bool) -> dict[str, object]:
    """What the page asks for every two seconds."""
    return {"live": is_live(run), "parts": run_parts(run, may_operate=may_operate)}
