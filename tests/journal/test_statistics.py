"""What statistics tell is what the rows say, whoever's clock they go by; and nothing of anybody else's calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from aispinner.core.models import Workspace
from integrations.calls import Outcome
from telephony.models import Call, CallStatus
from tests.factories import make_run
from tests.journal.rows import DAY, make_call

pytestmark = pytest.mark.django_db
ClientFor = Callable[[User], APIClient]
OUTCOMES = [outcome.value for outcome in Outcome]


@pytest.fixture
def calls(workspace: Workspace, other_workspace: Workspace) -> list[Call]:
    """A call every hour and a half, of every status, and as many of somebody else's."""
    at = DAY - timedelta(hours=20)
    for number, (each, status) in enumerate(product((workspace, other_workspace), [*CallStatus] * 3)):
        at += timedelta(minutes=90)
        make_call(workspace=each, status=status, at=at, duration_sec=number * 31)
    return list(Call.objects.filter(workspace=workspace))


@pytest.fixture
def ask(viewer: User, client_for: ClientFor) -> Callable[..., dict[str, Any]]:
    client = client_for(viewer)

    def get(**params: str | int) -> dict[str, Any]:
        response = client.get("/telephony/statistics", params)
        assert response.status_code == 200, response.content
        return dict(response.json())

    return get


def test_every_figure_is_a_count_of_the_rows(calls: list[Call], ask: Callable[..., dict[str, Any]]) -> None:
    told = ask(date_from="2026-05-03", date_to="2026-05-05")
    assert told["total"] == len(calls) == sum(told["by_status"].values())
    assert told["total_duration_sec"] == sum(call.duration_sec for call in calls)
    assert told["by_status"] == {status: sum(call.status == status for call in calls) for status in CallStatus.values}
    assert told["by_outcome"] == {outcome: sum(call.outcome == outcome for call in calls) for outcome in OUTCOMES}
    assert told["open"] == sum(not call.outcome for call in calls)
    for step in told["over_time"]:
        start = datetime.fromisoformat(step["start"])
        within = [call for call in calls if start <= call.created_at < start + timedelta(hours=1)]
        found = Counter(call.outcome or "open" for call in within)
        assert {name: step[name] for name in ("open", *OUTCOMES)} == {name: found[name] for name in ("open", *OUTCOMES)}
    assert sum(step["open"] + sum(step[name] for name in OUTCOMES) for step in told["over_time"]) == len(calls)
    for length in told["durations"]:
        high = length["to_sec"] or 10**9
        done = [call for call in calls if call.status == "done" and length["from_sec"] <= call.duration_sec < high]
        assert length["calls"] == len(done)
    for hour in told["by_hour"]:
        ended = [call for call in calls if call.created_at.hour == hour["hour"] and call.status in {"done", "failed"}]
        assert (hour["ended"], hour["picked_up"]) == (len(ended), sum(call.status == "done" for call in ended))


def test_hours_and_days_are_those_of_the_clock_asked_for(workspace: Workspace, ask: Callable[..., Any]) -> None:
    make_call(workspace=workspace, at=DAY.replace(hour=23, minute=30))
    told = ask(date_from="2026-05-04T22:00:00Z", date_to="2026-05-05T01:00:00Z", time_zone="Asia/Kolkata")
    assert [step["start"] for step in told["over_time"] if step["answered"]] == ["2026-05-05T05:00:00+05:30"]
    assert [hour["hour"] for hour in told["by_hour"] if hour["ended"]] == [5]
    by_day = ask(date_from="2026-05-01", date_to="2026-05-06", time_zone="Asia/Kolkata")
    assert by_day["step"] == "day"
    assert [step["start"] for step in by_day["over_time"] if step["answered"]] == ["2026-05-05T00:00:00+05:30"]


def test_a_campaigns_statistics_are_of_its_own_calls(workspace: Workspace, ask: Callable[..., Any]) -> None:
    run = make_run(workspace=workspace)
    make_call(workspace=workspace, run=run, duration_sec=95)
    make_call(workspace=workspace)
    told = ask(parent_call_id=run.call_id)
    assert (told["total"], told["total_duration_sec"]) == (1, 95)
    assert ask(parent_call_id=run.call_id, workspace_id=workspace.pk)["total"] == 1


def test_other_workspaces_campaigns_are_not_found(
    workspace: Workspace, other_workspace: Workspace, viewer: User, client_for: ClientFor
) -> None:
    theirs = make_run(workspace=other_workspace)
    assert client_for(viewer).get("/telephony/statistics", {"parent_call_id": theirs.call_id}).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_zone": "Middle/Earth"},
        {"date_from": "2026-05-04", "date_to": "2026-05-03"},
        {"date_from": "2020-01-01", "date_to": "2026-05-03"},
        {"date_from": "0001-01-01", "date_to": "0001-01-02"},
        {"date_to": "9999-12-31"},
        {"date_from": "soon"},
    ],
)
def test_a_time_that_is_none_is_refused_with_a_sentence(
    workspace: Workspace, viewer: User, client_for: ClientFor, wrong: dict[str, str]
) -> None:
    response = client_for(viewer).get("/telephony/statistics", wrong)
    assert response.status_code == 422
    assert response.json()["detail"]
