"""What staff do with campaigns from the admin goes through the services, and their refusals are shown as sentences."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from aispinner.core.models import AuditEntry
from telephony.models import Call, CallEvent, Chunk, Run, RunStatus
from tests.admin.conftest import World, make_ended_call
from tests.bells import Bells

pytestmark = pytest.mark.django_db


def press(browser: Client, verb: str, run: Run, **data: str) -> Any:
    response: Any = browser.post(reverse(f"admin:telephony_run_{verb}", args=(run.pk,)), data)
    return response


def said(response: Any) -> str:
    return " ".join(map(str, get_messages(response.wsgi_request)))


def bulk(browser: Client, action: str, *runs: Run, **data: str) -> Any:
    chosen = {"action": action, "_selected_action": [str(run.pk) for run in runs], **data}
    response: Any = browser.post(reverse("admin:telephony_run_changelist"), chosen)
    return response


def test_pause_stops_a_campaign_and_leads_back_to_its_page(browser: Client, world: World, bells: Bells) -> None:
    response = press(browser, "pause", world.run)
    assert response.headers["Location"] == reverse("admin:telephony_run_change", args=(world.run.pk,))
    world.run.refresh_from_db()
    assert world.run.status in {RunStatus.PAUSING, RunStatus.PAUSED}
    assert "Spring survey" in said(response)
    entry = AuditEntry.objects.get(action="campaign.paused")
    assert (entry.object_id, entry.username, entry.via) == (world.run.call_id, "root", "admin")


def test_resume_sets_a_paused_campaign_going(browser: Client, paused: Run, bells: Bells) -> None:
    press(browser, "resume", paused)
    paused.refresh_from_db()
    assert paused.status == RunStatus.RUNNING


def test_what_cannot_be_done_is_said_and_changes_nothing(browser: Client, world: World, bells: Bells) -> None:
    response = press(browser, "resume", world.run)
    assert "only a paused campaign can be resumed" in said(response)
    assert not AuditEntry.objects.filter(action__startswith="campaign.").exists()


@pytest.mark.parametrize("verb", ["pause", "resume", "rename"])
def test_looking_changes_nothing(browser: Client, world: World, verb: str) -> None:
    assert browser.get(reverse(f"admin:telephony_run_{verb}", args=(world.run.pk,))).status_code == 405


def test_a_button_without_the_pages_token_is_refused(world: World, browser: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = browser.cookies
    assert press(strict, "pause", world.run).status_code == 403


def test_rename_is_a_change_with_a_version_of_its_own(browser: Client, world: World) -> None:
    before = world.run.progress.version
    press(browser, "rename", world.run, name="  Summer survey ")
    world.run.refresh_from_db()
    world.run.progress.refresh_from_db()
    assert world.run.name == "Summer survey"
    assert world.run.progress.version > before
    assert CallEvent.objects.filter(run=world.run, type="run.renamed").exists()


def test_a_name_that_is_too_long_is_refused_with_a_sentence(browser: Client, world: World) -> None:
    response = press(browser, "rename", world.run, name="x" * 201)
    assert "200" in said(response)
    world.run.refresh_from_db()
    assert world.run.name == "Spring survey"


def test_cancel_asks_first(browser: Client, world: World) -> None:
    response = press(browser, "cancel", world.run)
    assert "Cancel “Spring survey”?" in response.content.decode()
    world.run.refresh_from_db()
    assert world.run.status == RunStatus.RUNNING


def test_cancel_when_confirmed_ends_the_campaign(browser: Client, world: World, bells: Bells) -> None:
    press(browser, "cancel", world.run, confirm="yes", hangup="on")
    world.run.refresh_from_db()
    assert world.run.status == RunStatus.CANCELLED
    assert world.run.progress.cancelled == 2


def test_several_campaigns_are_paused_together(browser: Client, world: World, paused: Run, bells: Bells) -> None:
    asked = bulk(browser, "pause_selected", world.run, paused).content.decode()
    assert "Pause “Spring survey”?" in asked
    assert "Paused: only a running campaign can be paused" in asked
    world.run.refresh_from_db()
    assert world.run.status == RunStatus.RUNNING
    assert bulk(browser, "pause_selected", world.run, confirm="yes").status_code == 302
    world.run.refresh_from_db()
    assert world.run.status in {RunStatus.PAUSING, RunStatus.PAUSED}


def test_several_campaigns_are_cancelled_together_once_confirmed(
    browser: Client, world: World, paused: Run, bells: Bells
) -> None:
    asked = bulk(browser, "cancel_selected", world.run, paused).content.decode()
    assert "Cancel 2 campaigns?" in asked
    assert set(Run.objects.values_list("status", flat=True)) == {RunStatus.RUNNING, RunStatus.PAUSED}
    bulk(browser, "cancel_selected", world.run, paused, confirm="yes")
    assert set(Run.objects.values_list("status", flat=True)) == {RunStatus.CANCELLED}


def test_campaigns_that_have_ended_cannot_be_cancelled(browser: Client, world: World) -> None:
    Run.objects.update(status=RunStatus.COMPLETED)
    assert "None of these campaigns can be cancelled: what has ended stays as it is." in said(
        bulk(browser, "cancel_selected", world.run)
    )


def test_a_question_says_exactly_what_will_happen(browser: Client, world: World, paused: Run) -> None:
    world.run.progress.in_flight, world.run.progress.pending = 1, 1
    world.run.progress.save()
    text = bulk(browser, "pause_selected", world.run).content.decode()
    for sentence in (
        "nothing more is dialled",
        "1 call is up and ends by itself",
        "1 number that was not dialled waits",
    ):
        assert sentence in text
    text = bulk(browser, "resume_selected", paused).content.decode()
    assert "Real calls are placed at once: 2 numbers are dialled, at most 5 at a time." in text
    assert "stopped by: Credits used up" not in text  # one campaign's effects are told in the sentences
    assert "What stopped a campaign by itself stops it again" in text


def test_only_campaigns_that_were_asked_about_are_changed(
    browser: Client, world: World, paused: Run, bells: Bells
) -> None:
    asked = bulk(browser, "resume_selected", world.run, paused).content.decode()
    assert f'value="{paused.pk}"' in asked
    assert f'value="{world.run.pk}"' not in asked
    bulk(browser, "resume_selected", paused, confirm="yes")
    paused.refresh_from_db()
    assert paused.status == RunStatus.RUNNING


def test_a_list_renames_by_script_and_is_told_what_is_wrong(browser: Client, world: World) -> None:
    address = reverse("admin:telephony_run_rename", args=(world.run.pk,))
    good = browser.post(address, {"name": "Summer"}, headers={"Accept": "application/json"})
    assert (good.status_code, good.json()) == (200, {"name": "Summer"})
    bad = browser.post(address, {"name": "x" * 201}, headers={"Accept": "application/json"})
    assert bad.status_code == 422
    assert "200" in bad.json()["detail"]


def test_a_campaigns_results_are_downloaded_and_that_is_written_down(browser: Client, world: World) -> None:
    answer = browser.get(reverse("admin:telephony_run_results", args=(world.run.pk,)))
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    assert answer.headers["Content-Disposition"].startswith(f'attachment; filename="{world.run.call_id}')
    assert "+15550100123" in text
    assert AuditEntry.objects.filter(action="campaign.exported", object_id=world.run.call_id).count() == 1


def test_the_results_of_several_campaigns_come_as_a_zip(browser: Client, world: World, paused: Run) -> None:
    answer = bulk(browser, "export_selected", world.run, paused)
    packed = ZipFile(BytesIO(b"".join(answer.streaming_content)))
    assert set(packed.namelist()) == {f"{world.run.call_id}.csv", f"{paused.call_id}.csv"}
    assert b"+15550100123" in packed.read(f"{paused.call_id}.csv")


def test_the_outcomes_of_a_campaign_are_what_its_calls_say(browser: Client, world: World) -> None:
    make_ended_call(workspace=world.workspace, run=world.run, outcome="busy", status="failed")
    Call.objects.update(created_at=timezone.now())
    Run.objects.update(created_at=timezone.now() - timedelta(hours=2))
    parts = browser.get(reverse("admin:telephony_run_live", args=(world.run.pk,))).json()["parts"]
    assert parts["outcomes"].count("<small>50%</small>") == 2


def test_a_chunk_tells_its_state_attempts_reason_and_key(browser: Client, world: World) -> None:
    soon = timezone.now() + timedelta(minutes=5)
    Chunk.objects.update(status="rate_limited", reason="rate_limited", attempts=3, retry_at=soon)
    text = browser.get(reverse("admin:telephony_run_live", args=(world.run.pk,))).json()["parts"]["chunks"]
    for words in ("Waiting for the provider", "Rate limit", "again", "in 4 min", ">3<", "…9a2c"):
        assert words in text
