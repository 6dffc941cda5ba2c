"""The dashboard: every figure is what the rows say, and what needs somebody is named with what to do about it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from agents.models import Agent
from aispinner.core import broker, heartbeat
from aispinner.core.models import Workspace
from integrations.models import ElevenLabsKey
from telephony.audit.repair import repair_totals
from telephony.models import Call, Run, RunProgress, VoiceBridge
from tests.admin.conftest import World, make_call, make_ended_call

pytestmark = pytest.mark.django_db
BrowserOf = Callable[[User], Client]

OUTCOMES = (
    *(("answered", "done", 61), ("answered", "done", 34), ("voicemail", "done", 12), ("busy", "failed", 0)),
    *(("no_answer", "failed", 0), ("error", "failed", 0), ("cancelled", "cancelled", 0)),
)


def parts(browser: Client, **query: str) -> dict[str, str]:
    found: dict[str, str] = browser.get(reverse("admin:telephony_dashboard_live"), query).json()["parts"]
    return found


def figures(text: str) -> dict[str, tuple[str, str]]:
    """By name: the figure, and what is told with it."""
    cards = re.findall(r"<span>([^<]+)</span><strong>([^<]*)</strong><small>([^<]*)</small>", text)
    return {name: (value, hint) for name, value, hint in cards}


def legend(text: str) -> dict[str, str]:
    return {words.strip(): count for words, count in re.findall(r"</i>([^<]+)<b>([^<]+)</b>", text)}


@pytest.fixture
def day(workspace: Workspace) -> list[Call]:
    """Calls of today, and one of yesterday; the kept totals are made of them."""
    yesterday = make_ended_call(workspace=workspace)
    Call.objects.filter(pk=yesterday.pk).update(
        created_at=datetime.combine(timezone.now().date() - timedelta(days=1), datetime.min.time(), tzinfo=UTC)
    )
    for outcome, status, seconds in OUTCOMES:
        make_ended_call(workspace=workspace, status=status, outcome=outcome, duration_sec=seconds)
    make_call(workspace=workspace, status="ringing")
    repair_totals()
    return list(Call.objects.filter(created_at__date=timezone.now().date()))


def test_todays_figures_are_what_the_rows_say(browser: Client, day: list[Call]) -> None:
    told = figures(parts(browser)["figures"])
    dialled = [call for call in day if call.status != "cancelled"]
    done = [call for call in day if call.status == "done"]
    failed = [call for call in day if call.status == "failed"]
    assert told["Calls today"] == (str(len(dialled)), "1 yesterday")
    assert told["Answer rate"][0] == f"{len(done) / (len(done) + len(failed)):.0%}"
    assert told["Minutes talked today"][0] == f"{sum(call.duration_sec for call in day) / 60:,.0f}"


def test_the_charts_are_what_the_rows_say(browser: Client, day: list[Call]) -> None:
    shown = parts(browser, period="days")
    assert legend(shown["chart"]) == {
        "Answered": "3",  # with yesterday's
        "Voicemail": "1",
        "No answer or busy": "2",
        "Failed": "1",
        "Going on": "1",
    }
    assert "4 of 7 calls that ended" in shown["rates"]


def test_lines_in_use_are_the_calls_that_are_up(browser: Client, world: World) -> None:
    RunProgress.objects.filter(run=world.run).update(in_flight=2, pending=0)
    assert figures(parts(browser)["figures"])["Campaigns running"] == ("1", "2 lines in use")
    assert "2 of 20 lines in use" in parts(browser)["health"]


def test_a_stranger_sees_figures_of_their_own_workspaces_alone(
    stranger: User, other_workspace: Workspace, day: list[Call], browser_of: BrowserOf
) -> None:
    shown = parts(browser_of(stranger))
    assert figures(shown["figures"])["Calls today"] == ("0", "0 yesterday")
    assert "No calls in this time." in shown["chart"]


def test_all_is_well_where_nothing_is_wrong(browser: Client, world: World) -> None:
    for who in ("worker", "beat"):
        heartbeat.leave(who)
    assert "Nothing needs you" in parts(browser)["attention"]


@pytest.mark.parametrize("who", ["worker", "beat"])
def test_a_process_that_gives_no_sign_is_told(browser: Client, who: str) -> None:
    broker.client().delete(broker.key(f"heartbeat:{who}"))
    text = parts(browser)["attention"]
    assert f"{who.capitalize()}: no sign of life" in text


def test_a_refused_key_is_told_with_what_to_do(browser: Client, world: World) -> None:
    ElevenLabsKey.objects.update(status="refused")
    text = parts(browser)["attention"]
    assert "…9a2c is refused" in text
    assert reverse("admin:integrations_elevenlabskey_change", args=(world.ids["integrations_elevenlabskey"],)) in text


@pytest.mark.parametrize(
    ("reason", "words"), [("breaker", "Too many failures"), ("quota_exhausted", "Credits used up")]
)
def test_a_campaign_that_stopped_is_told_with_its_reason(
    browser: Client, world: World, reason: str, words: str
) -> None:
    Run.objects.filter(pk=world.run.pk).update(status="paused", wait_reason=reason)
    assert f"Spring survey: {words}" in parts(browser)["attention"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"drift": [{"path": "name", "adopted": "A", "now": "B"}]}, "changed at ElevenLabs"),
        ({"is_missing": True}, "is not at ElevenLabs any more"),
    ],
)
def test_an_agent_that_drifted_is_told(browser: Client, world: World, fields: dict[str, object], words: str) -> None:
    Agent.objects.update(**fields)
    assert words in parts(browser)["attention"]


@pytest.mark.parametrize(("silent", "tone"), [(0, "tp-ok"), (60, "tp-bad")])
def test_a_voice_bridge_is_shown_with_its_sign_of_life(browser: Client, silent: int, tone: str) -> None:
    now = timezone.now()
    VoiceBridge.objects.create(
        address="http://127.0.0.1:1", audiosocket="127.0.0.1:2", capacity=50, started_at=now,
        seen_at=now - timedelta(seconds=silent),
    )  # fmt: skip
    shown = re.search(r'<li class="(tp-\w+)"><i[^>]*></i><b>Voice bridge', parts(browser)["processes"])
    assert shown is not None
    assert shown[1] == tone


def test_a_campaign_over_the_own_pbx_without_a_bridge_is_told(browser: Client, world: World) -> None:
    Run.objects.filter(pk=world.run.pk).update(voice_stack="custom_voice")
    assert "Voice bridge: none is running" in parts(browser)["attention"]
