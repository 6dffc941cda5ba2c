"""Each lie that a row could tell is found by the audit, by name; counters are set right, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F
from django.utils import timezone

from integrations.calls import CallReport, Outcome, Phase
from telephony.audit.checks import CHECKS
from telephony.audit.look import differences
from telephony.dialer.claims import claim
from telephony.dialer.records import close_chunk, record_submission
from telephony.dialer.transitions import apply_reports
from telephony.models import Call, CallEvent, Chunk, JournalTotal, Recipient, Run, RunProgress
from telephony.models import Sequence as JournalSequence
from tests.factories import make_run, make_workspace

pytestmark = pytest.mark.django_db
BUSY = CallReport(phase=Phase.ENDED, outcome=Outcome.BUSY, settled=True)
SPOKEN = CallReport(phase=Phase.ENDED, outcome=Outcome.ANSWERED, settled=True, duration_sec=30)


@pytest.fixture
def run() -> Run:
    """A run of five: one call has succeeded, one has failed, one is up, two are pending."""
    numbers = [f"+1555010010{place}" for place in range(5)]
    run = make_run(workspace=make_workspace(), numbers=numbers, max_concurrent=3, next_at=timezone.now())
    chunk = claim(run.pk, now=timezone.now())
    assert isinstance(chunk, int)
    record_submission(chunk, external_id="btcal_1", now=timezone.now())
    good, bad, _ = run.calls.order_by("pk")
    apply_reports({good.pk: SPOKEN, bad.pk: BUSY}, now=timezone.now())
    return Run.objects.get()


def found() -> set[tuple[str, str]]:
    return {(each.check, each.what) for each in differences()}


def audit(*arguments: str) -> tuple[int, str]:
    """The command's exit code and what it said. Its snapshot is tried where tests have real transactions."""
    out = StringIO()
    try:
        call_command("audit_runs", *arguments, stdout=out)
    except SystemExit as stop:
        return int(stop.code or 0), out.getvalue()
    return 0, out.getvalue()


def up() -> Any:
    return Call.objects.filter(status="queued")


LIES: Sequence[tuple[str, str, Callable[[], Any]]] = (
    ("progress", "child_count", lambda: RunProgress.objects.update(child_count=9)),
    ("progress", "in_flight", lambda: RunProgress.objects.update(in_flight=2, success=0)),
    ("progress", "total_duration_sec", lambda: RunProgress.objects.update(total_duration_sec=1)),
    ("progress", "chunks_done", lambda: RunProgress.objects.update(chunks_done=1)),
    ("progress", "numbers_count", lambda: Recipient.objects.filter(status="pending").first().delete()),  # type: ignore[union-attr]
    ("totals", "done", lambda: JournalTotal.objects.filter(status="done").update(calls=F("calls") + 1)),
    ("totals", "failed", lambda: JournalTotal.objects.filter(status="failed").delete()),
    ("recipients", "recipient", lambda: Recipient.objects.filter(status="success").update(status="pending")),
    ("recipients", "recipient", lambda: Recipient.objects.filter(status="pending").update(status="in_flight")),
    ("recipients", "recipient", lambda: Recipient.objects.filter(status="in_flight").update(status="cancelled")),
    ("belongings", "chunk", lambda: up().update(chunk=None)),
    ("belongings", "chunk", lambda: Chunk.objects.update(status="done", next_at=None, finished_at=timezone.now())),
    ("belongings", "number", lambda: up().update(subscriber_phone="+15550100199")),
    ("belongings", "run of its recipient", lambda: up().update(run=make_run(workspace=make_workspace()))),
    ("ends", "ended_at", lambda: up().update(ended_at=timezone.now())),
    ("ends", "ended_at", lambda: Call.objects.filter(status="done").update(ended_at=None)),
    ("ends", "settled_at", lambda: up().update(settled_at=timezone.now())),
    ("ends", "answered_at", lambda: Call.objects.filter(status="done").update(status="cancelled")),
    ("events", "ends told", lambda: CallEvent.objects.filter(data__status="failed").delete()),
    ("events", "ends told", lambda: Call.objects.filter(status="failed").update(status="done")),
    ("chunks", "next_at", lambda: Chunk.objects.update(next_at=None)),
    ("chunks", "retry_at", lambda: Chunk.objects.update(status="rate_limited", next_at=None)),
    ("chunks", "finished_at", lambda: Chunk.objects.update(finished_at=timezone.now())),
    ("chunks", "size", lambda: Chunk.objects.update(size=4)),
    ("chunks", "status", lambda: Run.objects.update(status="paused")),
    ("runs", "next_at", lambda: Run.objects.update(next_at=None)),
    ("runs", "in_flight", lambda: Run.objects.update(status="paused")),
    ("runs", "pending", lambda: Run.objects.update(status="completed")),
    ("runs", "finished_at", lambda: Run.objects.update(finished_at=timezone.now())),
    ("runs", "progress", lambda: RunProgress.objects.all().delete()),
    ("pruned", "undone", lambda: Run.objects.update(pruned_at=timezone.now(), finished_at=timezone.now())),
    ("run limit", "calls up", lambda: Call.objects.exclude(status="queued").update(status="queued", outcome="")),
    ("account limit", "calls up", lambda: Call.objects.exclude(status="queued").update(status="queued", outcome="")),
    ("sequence", "number", lambda: JournalSequence.objects.update(value=F("value") - 1)),
    ("sequence", "given twice", lambda: Call.objects.update(version=Call.objects.latest("version").version)),
    ("order", "moment", lambda: up().update(created_at=timezone.now() - timedelta(days=1))),
)


@pytest.mark.parametrize(("check", "what", "lie"), LIES, ids=[f"{check}: {what}" for check, what, _ in LIES])
def test_a_row_that_lies_is_found(run: Run, check: str, what: str, lie: Callable[[], Any]) -> None:
    Run.objects.update(max_concurrent=2)
    run.account.concurrency_limit = 2
    run.account.save()
    assert found() == set()
    lie()
    assert (check, what) in found()


def test_every_check_finds_something() -> None:
    assert {check for check, _, _ in LIES} == {check.name for check in CHECKS}


def test_a_run_that_is_over_has_no_difference(run: Run) -> None:
    apply_reports(dict.fromkeys(up().values_list("pk", flat=True), BUSY), now=timezone.now())
    close_chunk(Chunk.objects.get().pk, now=timezone.now())
    assert differences() == []


def test_only_the_run_that_was_asked_for_is_looked_at(run: Run) -> None:
    other = make_run(workspace=make_workspace(), next_at=timezone.now())
    RunProgress.objects.filter(pk=other.pk).update(child_count=9)
    assert differences(run_id=run.pk) == []
    assert [each.where for each in differences(run_id=other.pk)] == [other.call_id]


@pytest.mark.django_db(transaction=True)
def test_the_command_says_that_all_is_well_and_where_it_is_not(run: Run) -> None:
    code, told = audit()
    assert (code, told.startswith(f"No difference in {len(CHECKS)} checks")) == (0, True)
    RunProgress.objects.update(child_count=9)
    code, told = audit("--run", run.call_id)
    assert code == 1
    assert told.splitlines()[1].split() == ["progress", run.call_id, "child_count", "9", "3"]
    with pytest.raises(CommandError, match="no campaign camp_x"):
        audit("--run", "camp_x")


@pytest.mark.django_db(transaction=True)
def test_repair_sets_counters_right_and_gives_the_run_a_new_version(run: Run) -> None:
    before = RunProgress.objects.get()
    RunProgress.objects.update(child_count=9, in_flight=0, success=2)
    JournalTotal.objects.filter(status="done").update(calls=7)
    JournalTotal.objects.filter(status="failed").delete()
    JournalTotal.objects.create(workspace=run.workspace, status="ringing", day=timezone.now().date(), calls=3)
    code, told = audit("--repair")
    assert (code, "Repaired: 3 counters of campaigns," in told) == (0, True)
    after = RunProgress.objects.get()
    assert (after.child_count, after.in_flight, after.success) == (3, 1, 1)
    assert after.version > before.version
    assert audit()[0] == 0


@pytest.mark.django_db(transaction=True)
def test_repair_leaves_what_is_no_counter(run: Run) -> None:
    Recipient.objects.filter(status="success").update(status="pending")
    RunProgress.objects.update(success=0, pending=3)
    code, told = audit("--repair")
    assert (code, Recipient.objects.filter(status="pending").count()) == (1, 3)
    assert "place 0" in told


@pytest.mark.django_db(transaction=True)
def test_a_lost_number_is_not_counted_away(run: Run) -> None:
    Recipient.objects.filter(status="pending").first().delete()  # type: ignore[union-attr]
    assert audit("--repair")[0] == 1
    assert RunProgress.objects.get().numbers_count == 5


@pytest.mark.django_db(transaction=True)
def test_numbers_never_appear_in_what_the_audit_says(run: Run) -> None:
    Recipient.objects.update(status="cancelled")
    Call.objects.filter(status="done").update(subscriber_phone="+15550100199")
    assert "+1555" not in audit()[1]
