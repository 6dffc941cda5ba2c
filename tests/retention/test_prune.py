"""What is old enough goes, in batches, and nothing else; every counter is right afterwards, and in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from aispinner.core.models import AuditEntry, Workspace
from integrations.calls import CallReport, Outcome, Phase
from telephony.audit.look import differences
from telephony.dialer.claims import claim
from telephony.dialer.records import close_chunk, record_submission
from telephony.dialer.transitions import apply_reports
from telephony.models import Call, CallEvent, Chunk, JournalTotal, Recipient, Run, TelephonySettings
from telephony.recordings import recording_name
from telephony.retention import prune as pruning
from telephony.retention.policy import Retention
from telephony.tasks import prune as daily
from tests.dialer.truth import check_rows
from tests.factories import make_run, make_workspace
from tests.journal.rows import DAY, TRANSCRIPT, make_call

pytestmark = pytest.mark.django_db
ENDED = CallReport(phase=Phase.ENDED, outcome=Outcome.ANSWERED, settled=True, duration_sec=30)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
MONTH = Retention(calls_days=14)


@pytest.fixture(autouse=True)
def recordings(settings: Settings, tmp_path: Path) -> Iterator[None]:
    settings.MEDIA_ROOT = tmp_path
    yield


def old_call(workspace: Workspace, *, at: datetime = DAY, **fields: Any) -> Call:
    """A settled call of nobody's campaign, with all that hangs on one."""
    fields = {"settled_at": at, "ended_at": at, "transcript": TRANSCRIPT, "summary": "They spoke.", **fields}
    call = make_call(workspace=workspace, at=at, **fields)
    for type_, data in (("turn", {"message": "Hello!"}), ("status", {"status": "done"})):
        at_number = Call.objects.order_by("-pk").values_list("pk", flat=True)[0] + 1000 + CallEvent.objects.count()
        CallEvent.objects.create(id=at_number, workspace=workspace, call=call, type=type_, data=data, at=at)
    return call


def finished_run(workspace: Workspace, *, finished_at: datetime = DAY) -> Run:
    """A campaign of two numbers that went the whole way, and ended on a day long ago."""
    run = make_run(workspace=workspace, next_at=timezone.now())
    chunk = claim(run.pk, now=timezone.now())
    assert isinstance(chunk, int)
    record_submission(chunk, external_id="btcal_1", now=timezone.now())
    apply_reports(dict.fromkeys(run.calls.values_list("pk", flat=True), ENDED), now=timezone.now())
    close_chunk(Chunk.objects.get(run=run).pk, now=timezone.now())
    Run.objects.filter(pk=run.pk).update(status="completed", finished_at=finished_at, next_at=None)
    run.refresh_from_db()
    return run


def prune(workspace: Workspace, retention: Retention = MONTH, *, now: datetime = NOW) -> pruning.Pruned:
    return pruning.prune(workspace_id=workspace.pk, retention=retention, now=now)


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("prune", *arguments, stdout=out)
    return out.getvalue()


def test_old_calls_go_and_young_ones_and_those_of_others_stay(workspace: Workspace) -> None:
    other = make_workspace()
    old, foreign = old_call(workspace), old_call(other)
    young = old_call(workspace, at=NOW - timedelta(days=13))
    assert prune(workspace).calls == 1
    assert set(Call.objects.values_list("pk", flat=True)) == {young.pk, foreign.pk}
    assert not CallEvent.objects.filter(call_id=old.pk).exists()
    days = JournalTotal.objects.filter(workspace=workspace).values_list("day", flat=True)
    assert set(days) == {young.created_at.date(), None}
    assert [each for each in differences() if each.check == "totals"] == []


def test_a_call_of_which_more_may_come_stays(workspace: Workspace) -> None:
    old_call(workspace, settled_at=None, ended_at=datetime.now(UTC))
    assert prune(workspace, Retention(calls_days=1, transcripts_days=1, audio_days=1)) == pruning.Pruned()
    assert Call.objects.get().summary == "They spoke."


def test_a_call_whose_analysis_never_came_is_not_waited_for_for_ever(workspace: Workspace) -> None:
    old_call(workspace, settled_at=None)
    assert prune(workspace).calls == 1


def test_a_campaign_keeps_its_figures_and_loses_its_calls_and_numbers(workspace: Workspace) -> None:
    run = finished_run(workspace)
    before = run.progress.version
    assert prune(workspace) == pruning.Pruned(campaigns=1, calls=2)
    run = Run.objects.get()
    assert (run.pruned_at, run.progress.success, run.progress.child_count) == (NOW, 2, 2)
    assert run.progress.version > before
    assert (Call.objects.count(), Recipient.objects.count(), Chunk.objects.count()) == (0, 0, 0)
    assert list(CallEvent.objects.values_list("type", flat=True).order_by("pk"))[-1] == "run.pruned"
    check_rows()


def test_a_campaign_that_goes_on_keeps_everything(workspace: Workspace) -> None:
    run = make_run(workspace=workspace, next_at=timezone.now())
    claim(run.pk, now=timezone.now())
    assert prune(workspace, now=timezone.now() + timedelta(days=400)) == pruning.Pruned()
    assert (run.calls.count(), run.recipients.count()) == (2, 2)


def test_killed_between_two_batches_it_leaves_all_whole_and_goes_on_later(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished_run(workspace)
    ids = pruning._ids

    def dies_after_the_first(wanted: Any) -> Iterator[list[int]]:
        yield next(ids(wanted))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pruning, "AT_ONCE", 1)
        patch.setattr(pruning, "_ids", dies_after_the_first)
        with pytest.raises(KeyboardInterrupt):
            prune(workspace)
    assert (Call.objects.count(), Recipient.objects.count()) == (1, 2)
    check_rows()
    assert prune(workspace) == pruning.Pruned(calls=1)
    assert Recipient.objects.count() == 0
    check_rows()


def test_what_was_said_goes_under_a_new_version_and_the_call_stays(workspace: Workspace) -> None:
    old = old_call(workspace)
    assert prune(workspace, Retention(transcripts_days=14)).transcripts == 1
    call = Call.objects.get()
    assert (call.transcript, call.summary, call.status) == ("[]", "", "done")
    assert call.version > old.version
    assert list(CallEvent.objects.order_by("at").values_list("type", flat=True)) == ["status", "transcript.pruned"]
    assert prune(workspace, Retention(transcripts_days=14)).transcripts == 0


@pytest.mark.parametrize("retention", [Retention(audio_days=14), MONTH], ids=["audio", "calls"])
def test_recordings_go_with_their_files(workspace: Workspace, retention: Retention) -> None:
    call = old_call(workspace, has_audio=True)
    name = recording_name(call)
    default_storage.save(name, ContentFile(b"ID3"))
    prune(workspace, retention)
    assert not default_storage.exists(name)
    assert not Call.objects.filter(has_audio=True).exists()


def test_a_reader_by_version_is_told_what_changed_and_misses_nothing_else(
    workspace: Workspace, viewer: User, client_for: Callable[[User], APIClient]
) -> None:
    run, client = finished_run(workspace), client_for(viewer)
    kept = old_call(workspace, at=datetime.now(UTC))
    mark = client.get("/telephony/journal").json()["max_version"]
    prune(workspace)
    delta = client.get("/telephony/journal", {"since_version": mark}).json()
    assert (delta["calls"], [each["call_id"] for each in delta["campaigns"]]) == ([], [run.call_id])
    whole = client.get("/telephony/journal").json()
    assert (whole["total"], [each["id"] for each in whole["calls"]]) == (1, [kept.pk])
    shown = client.get(f"/telephony/runs/{run.call_id}").json()
    assert (shown["success_count"], shown["pruned_at"]) == (2, "2026-06-01T00:00:00Z")


def test_the_settings_say_for_how_long(
    workspace: Workspace, editor: User, client_for: Callable[[User], APIClient]
) -> None:
    client = client_for(editor)
    wrong: tuple[Any, ...] = ({"calls_days": 0}, {"calls_days": True}, {"years": 1}, 30, {"audio_days": "30"})
    for value in wrong:
        assert client.put("/telephony/settings", {"settings_json": {"retention": value}}).status_code == 422
    good = {"settings_json": {"retention": {"calls_days": 30}}}
    assert client.put("/telephony/settings", good).json()["settings_json"]["retention"] == {"calls_days": 30}


def test_once_a_day_each_workspace_is_pruned_as_it_has_it(workspace: Workspace, other_workspace: Workspace) -> None:
    old_call(workspace)
    old_call(other_workspace)
    TelephonySettings.objects.create(workspace=workspace, settings_json={"retention": {"calls_days": 1}})
    daily()
    assert Call.objects.get().workspace == other_workspace
    assert AuditEntry.objects.get(action="journal.pruned").changes == {"calls": 1}


def test_the_command_takes_days_and_says_what_it_would_do(workspace: Workspace) -> None:
    old_call(workspace, has_audio=True)
    arguments = ("--workspace", str(workspace.pk), "--transcripts-days", "1", "--audio-days", "1")
    told = command(*arguments, "--dry-run")
    assert told == f"Workspace {workspace.pk}: would delete 0 campaigns, 0 calls, 1 transcripts, 1 recordings.\n"
    assert Call.objects.get().has_audio
    assert "deleted 0 campaigns, 0 calls, 1 transcripts, 1 recordings." in command(*arguments)
    assert "Nothing to do" in command()


def test_the_command_says_how_far_it_is(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telephony.management.commands.prune.EVERY", -1.0)
    monkeypatch.setattr(pruning, "AT_ONCE", 1)
    for _ in range(2):
        old_call(workspace)
    first, second, last = command("--workspace", str(workspace.pk), "--calls-days", "1").splitlines()
    assert (first, second) == tuple(
        f"Workspace {workspace.pk}: 0 campaigns, {gone} calls, 0 transcripts, 0 recordings so far." for gone in (1, 2)
    )
    assert "deleted 0 campaigns, 2 calls" in last


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--calls-days", "30"), "Say which --workspace"),
        (("--workspace", "1", "--calls-days", "0"), "--calls-days takes a number of days from 1"),
        (("--workspace", "999999999"), "no workspace 999999999"),
    ],
)
def test_what_the_command_cannot_do_it_says(db: None, arguments: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        command(*arguments)
