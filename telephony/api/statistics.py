"""GET /telephony/statistics: what came of the calls of a time, for charts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aispinner.core.access import choose_workspace
from aispinner.core.auth import caller
from aispinner.core.errors import NotFound
from integrations.calls import Outcome
from telephony.api.finding import NO_RUN, run_for
from telephony.api.reading import Query
from telephony.journal.statistics import LENGTHS, Group, Span, by_hour_of_day, by_length, count, groups_of, over_time
from telephony.models import CallStatus, Run

USUAL, MOST = timedelta(hours=24), timedelta(days=366)
FIRST, LAST = datetime(1970, 1, 3, tzinfo=UTC), datetime(9999, 12, 29, tzinfo=UTC)  # in every time zone


class StatisticsView(APIView):
    """GET /telephony/statistics"""

    def get(self, request: Request) -> Response:
        """The calls of a workspace, or of one campaign, counted: the last 24 hours, or the campaign's own time."""
        query = Query(request.query_params)
        run, workspace_id = _where(caller(request), query)
        span = _span(query, run)
        groups = groups_of(workspace_id=workspace_id, span=span, run_id=run.pk if run else None)
        return Response(statistics_json(groups, span))


def statistics_json(groups: Sequence[Group], span: Span) -> dict[str, Any]:
    """`total` is the sum of `by_status`, of `by_outcome` with `open`, and of `over_time`."""
    statuses, outcomes = count(groups, lambda group: group.status), count(groups, lambda group: group.outcome)
    return {
        "date_from": span.since,
        "date_to": span.until,
        "time_zone": span.zone.key,
        "step": "hour" if span.is_by_hour else "day",
        "total": sum(statuses.values()),
        "total_duration_sec": sum(group.duration_sec for group in groups),
        "open": outcomes[""],
        "by_status": {status: statuses[status] for status in CallStatus.values},
        "by_outcome": {outcome: outcomes[outcome] for outcome in Outcome.values},
        "over_time": [
            {"start": start, "open": found[""], **{outcome: found[outcome] for outcome in Outcome.values}}
            for start, found in over_time(groups, span)
        ],
        "durations": [
            {"from_sec": low, "to_sec": high, "calls": calls}
            for low, high, calls in zip(LENGTHS, (*LENGTHS[1:], None), by_length(groups), strict=True)
        ],
        "by_hour": [
            {"hour": hour, "ended": ended, "picked_up": picked_up}
            for hour, (ended, picked_up) in enumerate(by_hour_of_day(groups))
        ],
    }


def _where(user: User, query: Query) -> tuple[Run | None, int]:
    """The campaign, where one is named, and the workspace, which is the campaign's where none is named."""
    workspace_id, parent = query.text("workspace_id"), query.text("parent_call_id")
    run = run_for(user=user, call_id=parent) if parent else None
    if run is not None and not workspace_id:
        return run, run.workspace_id
    workspace = choose_workspace(user=user, workspace_id=workspace_id)
    if run is not None and run.workspace_id != workspace.pk:
        raise NotFound(NO_RUN)
    return run, workspace.pk


def _span(query: Query, run: Run | None) -> Span:
    until = query.moment("date_to", end=True) or (run and run.finished_at) or timezone.now()
    since = query.moment("date_from", end=False) or (run.created_at if run else max(until, FIRST + USUAL) - USUAL)
    zone = query.text("time_zone") or "UTC"
    if zone not in _zones():
        query.blame("time_zone", "Takes the name of a time zone, such as Europe/Berlin.")
    if since > until:
        query.blame("date_from", "Lies after date_to.")
    elif until - since > MOST:
        query.blame("date_from", f"Lies more than {MOST.days} days before date_to.")
    if since < FIRST or until > LAST:
        query.blame("date_from" if since < FIRST else "date_to", "Lies too far away.")
    query.check()
    return Span(since=since, until=until, zone=ZoneInfo(zone))


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
