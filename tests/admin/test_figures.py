"""A figure shown anywhere equals the rows: on the demo data's past, whatever shows one against a plain count."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from aispinner.core.admin_html import duration
from aispinner.core.models import Workspace
from integrations.calls import Outcome
from telephony import demo_history
from telephony.audit.look import differences
from telephony.models import Call, CallStatus, Recipient, Run
from tests.admin.test_dashboard import figures, legend, parts
from tests.factories import make_user
from tests.integrations.conftest import Sim, sim, simulator
from tests.journal.rows import make_call

pytestmark = pytest.mark.django_db
__all__ = ["sim", "simulator"]  # fixtures
Ask = Callable[..., Any]
PICKED_UP, ENDED = {"answered", "voicemail"}, {"done", "failed"}
LEGEND = {
    "answered": "Answered", "voicemail": "Voicemail", "no_answer": "No answer or busy", "busy": "No answer or busy",
    "": "Going on",
}  # fmt: skip


def manage(*arguments: str) -> str:
    said = StringIO()
    call_command(*arguments, stdout=said)
    return said.getvalue()


@pytest.fixture
def token(sim: Sim, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The demo data with its past, and beside it a call that goes on and one that was never dialled."""
    settings.MEDIA_ROOT = tmp_path
    monkeypatch.setattr(demo_history, "RECORDINGS", 1)
    manage("demo_data")
    answer = json.loads(manage("demo_data", "--history"))
    assert differences() == []
    workspace, now = Workspace.objects.get(pk=answer["workspace_id"]), timezone.now()
    make_call(workspace=workspace, status=CallStatus.RINGING, duration_sec=0)
    make_call(workspace=workspace, status=CallStatus.CANCELLED, duration_sec=0, ended_at=now, settled_at=now)
    return str(answer["token"])


@pytest.fixture
def ask(token: str) -> Ask:
    client = APIClient(headers={"Authorization": f"Bearer {token}"})

    def get(path: str, **query: Any) -> Any:
        response = client.get(f"/telephony/{path}", query)
        assert response.status_code == 200, response.content
        return response.json()

    return get


def test_every_figure_shown_is_a_count_of_the_rows(ask: Ask, browser: Client) -> None:
    calls = list(Call.objects.all())
    assert len(calls) > 500
    _the_dashboard(browser, calls)
    _the_statistics(ask, calls)
    _the_journal(ask, calls)
    for run in Run.objects.select_related("progress"):
        of_it = [call for call in calls if call.run_id == run.pk]
        _a_campaigns_page(browser, run, of_it)
        _a_campaign(ask, run, of_it)


def test_a_past_is_not_written_over_calls(db: None) -> None:
    make_user("demo")
    make_call(workspace=Workspace.objects.create(pk=1, name="Demo workspace"))
    with pytest.raises(CommandError, match="There are calls already"):
        manage("demo_data", "--history")
    assert Call.objects.count() == 1


def _the_dashboard(browser: Client, calls: list[Call]) -> None:
    today = timezone.now().date()
    days = {back: [call for call in calls if _day(call) == today - timedelta(days=back)] for back in (0, 1)}
    dialled = {back: [call for call in found if call.status != "cancelled"] for back, found in days.items()}
    done = [call for call in days[0] if call.status == "done"]
    failed = [call for call in days[0] if call.status == "failed"]
    seconds = sum(call.duration_sec for call in days[0])
    shown = parts(browser, period="days")
    assert figures(shown["figures"]) == {
        "Calls today": (f"{len(dialled[0]):,}", f"{len(dialled[1]):,} yesterday"),
        "Answer rate": (
            f"{len(done) / len(done + failed):.0%}" if done or failed else "—",
            f"{len(done):,} picked up, voicemail included",
        ),
        "Minutes talked today": (
            f"{seconds / 60:,.0f}",
            f"{seconds / len(done):.0f} s a call on average" if done else "no conversation yet",
        ),
        "Campaigns running": ("0", "0 lines in use"),
    }
    _a_chart(shown, [call for call in calls if call.status != "cancelled"])
    whole_hours = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=23)
    recent = [call for call in calls if call.status != "cancelled" and call.created_at >= whole_hours]
    _a_chart(parts(browser), recent)


def _a_chart(shown: dict[str, str], calls: list[Call]) -> None:
    counted = Counter(LEGEND.get(call.outcome, "Failed") for call in calls)
    assert legend(shown["chart"]) == {words: f"{count:,}" for words, count in counted.items()}
    picked_up, ended = _picked_up(calls), sum(bool(call.outcome) for call in calls)
    assert f"{picked_up:,} of {ended:,} calls that ended" in shown["rates"] or not ended


def _a_campaigns_page(browser: Client, run: Run, calls: list[Call]) -> None:
    shown = browser.get(reverse("admin:telephony_run_live", args=(run.pk,))).json()["parts"]
    numbers, ended = Recipient.objects.filter(run=run).count(), [call for call in calls if call.status in ENDED]
    done = [call for call in calls if call.status == "done"]
    seconds = sum(call.duration_sec for call in calls)
    assert figures(shown["figures"]) == {
        "Numbers": (f"{numbers:,}", "0 to be dialled"),
        "Success rate": (f"{len(done) / len(ended):.0%}", f"{len(done):,} of {len(ended):,} ended calls"),
        "Lines in use": (f"0 / {run.max_concurrent}", "not dialling"),
        "Talk time": (duration(seconds), f"{duration(seconds // len(done))} a call on average"),
    }
    failed = len(ended) - len(done)
    assert {words: count for count, words in re.findall(r"<b>([\d,]+)</b> ([a-z ]+)</li>", shown["progress"])} == {
        "succeeded": f"{len(done):,}", "failed": f"{failed:,}", "in flight": "0", "cancelled": "0",
        "to be dialled": "0",
    }  # fmt: skip
    told = re.findall(r"<li><a [^>]*>([^<]+)</a>.*?<b>([\d,]+)</b><small>(\d+)%</small></li>", shown["outcomes"])
    counted = Counter(Outcome(call.outcome).label for call in calls)
    assert {words: (count, int(share)) for words, count, share in told} == {
        words: (f"{count:,}", int(f"{count / len(calls):.0%}"[:-1])) for words, count in counted.items()
    }
    assert f"{len(done):,} succeeded, {failed:,} failed" in shown["chunks"]
    listed = browser.get(reverse("admin:telephony_run_live_list"), {"ids": run.pk}).json()["parts"]
    assert f"{len(ended):,} of {numbers:,}" in listed[f"progress-{run.pk}"]


def _a_campaign(ask: Ask, run: Run, calls: list[Call]) -> None:
    told = ask(f"runs/{run.call_id}")
    assert [told[f"{name}_count"] for name in ("numbers", "child", "success", "failed", "pending", "in_flight")] == [
        Recipient.objects.filter(run=run).count(), len(calls), _with(calls, "done"), _with(calls, "failed"), 0, 0,
    ]  # fmt: skip
    assert told["total_duration_sec"] == sum(call.duration_sec for call in calls)
    _counted(ask("statistics", parent_call_id=run.call_id), calls)
    assert ask("journal", parent_call_id=run.call_id, limit=1)["total"] == len(calls)


def _the_statistics(ask: Ask, calls: list[Call]) -> None:
    since = (timezone.now() - timedelta(days=8)).date().isoformat()
    _counted(ask("statistics", workspace_id=1, date_from=since), calls)


def _counted(told: dict[str, Any], calls: list[Call]) -> None:
    assert told["total"] == len(calls)
    assert told["total_duration_sec"] == sum(call.duration_sec for call in calls)
    assert _seen(told["by_status"]) == Counter(call.status for call in calls)
    by_outcome = Counter(call.outcome for call in calls)
    assert _seen(told["by_outcome"] | {"": told["open"]}) == by_outcome
    over_time = Counter[str]()
    for step in told["over_time"]:
        over_time.update({name: step[name] for name in Outcome.values} | {"": step["open"]})
    assert +over_time == by_outcome
    assert sum(each["calls"] for each in told["durations"]) == _with(calls, "done")
    assert sum(each["ended"] for each in told["by_hour"]) == _with(calls, "done", "failed")
    assert sum(each["picked_up"] for each in told["by_hour"]) == _picked_up(calls)


def _the_journal(ask: Ask, calls: list[Call]) -> None:
    told = ask("journal", workspace_id=1, limit=1)
    assert (told["total"], told["total_duration_sec"]) == (len(calls), sum(call.duration_sec for call in calls))
    for status in CallStatus.values:
        assert ask("journal", workspace_id=1, limit=1, status=status)["total"] == _with(calls, status)
    for outcome in Outcome.values:
        found = sum(call.outcome == outcome for call in calls)
        assert ask("journal", workspace_id=1, limit=1, outcome=outcome)["total"] == found


def _day(call: Call) -> Any:
    return call.created_at.astimezone(UTC).date()


def _with(calls: Iterable[Call], *statuses: str) -> int:
    return sum(call.status in statuses for call in calls)


def _picked_up(calls: Iterable[Call]) -> int:
    return sum(call.outcome in PICKED_UP for call in calls)


def _seen(counted: dict[str, int]) -> dict[str, int]:
    """Without those that there are none of."""
    return {name: count for name, count in counted.items() if count}
