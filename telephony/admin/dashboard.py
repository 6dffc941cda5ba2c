"""The admin's first page: today at a glance, what is running, what came of it, and what to do first."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet, Sum
from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from agents.models import Agent
from aispinner.core.admin_base import roles_of, sees_all, watched
from aispinner.core.snapshot import one_snapshot
from integrations.models import Account, ElevenLabsKey, PhoneProvider
from telephony.admin import health
from telephony.admin.attention import attention, needs_bridges
from telephony.admin.chart import chart, columns_of, rates
from telephony.admin.pieces import MOVING, UNFINISHED, call_rows, light, lines_cell, progress_cell, render
from telephony.admin.words import next_attempt, run_badge, wait_words
from telephony.models import Call, CallStatus, JournalTotal, Run, RunProgress

RUNS_SHOWN = 6
CALLS_SHOWN = 8


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the first page shows, added to `context` (django-unfold's DASHBOARD_CALLBACK)."""
    steps = _steps(request)
    return context | {
        "title": "Dashboard",
        "parts": _parts(request),
        "steps": steps if not all(step["done"] for step in steps) else [],
        "period": _period(request),
        "watched": watched(request),
    }


def live(request: HttpRequest) -> JsonResponse:
    """The page's parts as they are now."""
    return JsonResponse({"live": True, "parts": _parts(request)})


@one_snapshot()
def _parts(request: HttpRequest) -> dict[str, SafeString]:
    now = timezone.now()
    totals = _totals(request, since=now.date() - timedelta(days=1))
    every = reverse("admin:telephony_call_changelist")
    columns = columns_of(_seen(request, Call), _seen_totals(request), period=_period(request), now=now)
    processes = _processes(request, now=now)
    return {
        "figures": render("run/figures", figures=_figures(request, totals, now=now)),
        "attention": render("dashboard/attention", items=attention(request, processes=processes, now=now)),
        "chart": chart(columns),
        "rates": rates(columns),
        "running": _running(request, now=now),
        "calls": render(
            "calls_table",
            rows=call_rows(light(_seen(request, Call)).order_by("-pk")[:CALLS_SHOWN], with_run=True),
            every=every,
            empty="No call yet. They appear here while they are placed.",
        ),
        "health": render("dashboard/health", keys=health.keys(_seen(request, ElevenLabsKey))),
        "processes": render("dashboard/processes", processes=processes),
    }


def _processes(request: HttpRequest, *, now: datetime) -> list[health.Process]:
    """What must be alive: worker and beat; PBXs that one sees; bridges, where there are or should be any."""
    found = [*health.processes(), *health.pbxs(_seen(request, Account), now)]
    bridges = health.bridges(now)
    if not bridges and needs_bridges(_seen(request, Run)):
        bridges = [health.Process(name="Voice bridge", is_alive=False, words="none is running")]
    return found + bridges


def _period(request: HttpRequest) -> str:
    return "days" if request.GET.get("period") == "days" else "hours"


def _seen(request: HttpRequest, model: Any) -> QuerySet[Any]:
    """The rows of `model` that the person may see, by the rule of its own admin page."""
    return admin.site._registry[model].get_queryset(request)


def _seen_totals(request: HttpRequest) -> QuerySet[JournalTotal]:
    rows = JournalTotal.objects.filter(node__isnull=True)
    return rows if sees_all(request) else rows.filter(workspace__in=list(roles_of(request)))


def _totals(request: HttpRequest, *, since: date) -> dict[date, dict[str, tuple[int, int]]]:
    """Calls and seconds by day and status."""
    found: dict[date, dict[str, tuple[int, int]]] = {}
    rows = _seen_totals(request).filter(day__gte=since).order_by().values_list("day", "status")
    for day, status, calls, seconds in rows.annotate(Sum("calls"), Sum("duration_sec")):
        found.setdefault(day, {})[status] = (calls, seconds)
    return found


def _figures(
    request: HttpRequest, totals: dict[date, dict[str, tuple[int, int]]], *, now: datetime
) -> list[tuple[str, str, str]]:
    today, yesterday = totals.get(now.date(), {}), totals.get(now.date() - timedelta(days=1), {})
    placed, before = _placed(today), _placed(yesterday)
    done, failed = (today.get(status, (0, 0))[0] for status in (CallStatus.DONE, CallStatus.FAILED))
    seconds = sum(each[1] for each in today.values())
    moving = _seen(request, Run).filter(status__in=MOVING)
    lines = RunProgress.objects.filter(run__in=moving).aggregate(lines=Sum("in_flight"))["lines"] or 0
    running = moving.count()
    return [
        ("Calls today", f"{placed:,}", f"{before:,} yesterday"),
        (
            "Answer rate",
            f"{done / (done + failed):.0%}" if done + failed else "—",
            f"{done:,} picked up, voicemail included",
        ),
        (
            "Minutes talked today",
            f"{seconds / 60:,.0f}",
            f"{seconds / done:.0f} s a call on average" if done else "no conversation yet",
        ),
        ("Campaigns running", f"{running:,}", f"{lines:,} lines in use"),
    ]


def _placed(day: dict[str, tuple[int, int]]) -> int:
    """Calls of a day, without those that were never dialled."""
    return sum(calls for status, (calls, _) in day.items() if status != CallStatus.CANCELLED)


def _running(request: HttpRequest, *, now: datetime) -> SafeString:
    runs = _seen(request, Run).filter(status__in=UNFINISHED).select_related("progress", "agent", "node")
    first = sorted(runs.order_by("-pk")[: RUNS_SHOWN * 4], key=lambda run: run.status not in MOVING)[:RUNS_SHOWN]
    rows = [
        {
            "run": run,
            "badge": run_badge(run),
            "progress": progress_cell(run.progress),
            "lines": lines_cell(run),
            "wait": " · ".join(filter(None, (wait_words(run)[0], next_attempt(run, now=now)))),
        }
        for run in first
    ]
    return render("dashboard/running", rows=rows)


def _steps(request: HttpRequest) -> list[dict[str, Any]]:
    """The way to a first campaign."""
    keys, providers, agents, runs = (
        _seen(request, model).exists() for model in (ElevenLabsKey, PhoneProvider, Agent, Run)
    )
    return [
        {
            "done": keys,
            "title": "Add an ElevenLabs key",
            "text": "Calls are placed with it.",
            "words": "Add a key",
            "url": reverse("admin:integrations_elevenlabskey_add"),
        },
        {
            "done": providers,
            "title": "Connect a phone number",
            "text": "Twilio or a SIP trunk, on a phone-number node.",
            "words": "Phone providers",
            "url": reverse("admin:integrations_phoneprovider_changelist"),
        },
        {
            "done": agents,
            "title": "Adopt an agent",
            "text": "One that you made at ElevenLabs, into an agent node.",
            "words": "Agents",
            "url": reverse("admin:agents_agent_changelist"),
        },
        {
            "done": runs,
            "title": "Start a campaign",
            "text": "POST /telephony/dialer/start with your numbers, then watch it here.",
            "words": "Campaigns",
            "url": reverse("admin:telephony_run_changelist"),
        },
    ]
