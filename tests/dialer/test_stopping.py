"""Pause, resume and cancel: after the answer nothing is submitted, and nobody's number is lost or dialled again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aispinner.core.errors import Conflict, Invalid
from telephony.dialer.advance import advance_run
from telephony.models import Call, CallEvent, ChunkStatus, Pacing, RecipientStatus, Run, RunStatus
from telephony.services import NewRecipient, cancel_run, pause_run, rename_run, resume_run, start_run
from tests.bells import Bells
from tests.dialer.clock import later, later_than_any_request
from tests.dialer.provider import Provider, finish, look, numbers
from tests.dialer.truth import check_rows
from tests.dialer.wire import SUBMIT, counting
from tests.factories import make_user

pytestmark = pytest.mark.django_db
Act = Callable[..., Run]
STOPPED = (RunStatus.PAUSED, RunStatus.CANCELLED)


def act(do: Act, run: Run) -> Run:
    return do(run=Run.objects.get(pk=run.pk), user=make_user())


def where(run: Run) -> dict[str, int]:
    run.progress.refresh_from_db()
    return {status: count for status in RecipientStatus.values if (count := getattr(run.progress, status))}


def with_calls_up(provider: Provider, bells: Bells, *, queued: int = 0, **fields: Any) -> Run:
    """A run over 6 numbers with a chunk of 4 out: some up until a test lets them end, `queued` not dialled yet."""
    called = numbers(6)
    provider.allow(4 - queued)
    provider.script(called, outcome="stuck")
    run = provider.campaign(called, max_concurrent=4, **fields)
    advance_run(run.pk)
    for _ in range(5):
        look(bells)
    return run


@pytest.mark.parametrize("stop", [pause_run, cancel_run])
@pytest.mark.parametrize("pacing", Pacing.values)
def test_what_the_provider_has_not_dialled_is_taken_back(
    provider: Provider, bells: Bells, stop: Act, pacing: str
) -> None:
    run = with_calls_up(provider, bells, queued=3, pacing=pacing)
    with counting(at=SUBMIT) as submitted:
        stopped = act(stop, run)
        look(bells)
        check_rows()
        assert stopped.status in {RunStatus.PAUSING, RunStatus.CANCELLED}
        assert where(run) == {"pending" if stop is pause_run else "cancelled": 5, "in_flight": 1}
        assert [one["status"] for one in provider.batches()[0]["recipients"]].count("cancelled") == 3
        later(minutes=30)
        finish(bells, run, into=STOPPED)
    assert submitted == []
    assert len(provider.placed()) == 1
    run.refresh_from_db()
    assert (run.finished_at is None) == (stop is pause_run)
    check_rows()


def test_a_paused_run_dials_the_rest_when_it_is_resumed(provider: Provider, bells: Bells) -> None:
    called = numbers(9)
    provider.allow(2)
    run = provider.campaign(called, max_concurrent=4)
    advance_run(run.pk)
    act(pause_run, run)
    finish(bells, run)
    assert 1 <= where(run)["pending"] == 9 - len(provider.placed())
    check_rows()
    act(resume_run, run)
    provider.allow(20)
    finish(bells, run)
    run.refresh_from_db()
    assert run.status == RunStatus.COMPLETED
    assert provider.dialled() == called
    assert list(CallEvent.objects.filter(run=run, call=None).order_by("pk").values_list("type", flat=True)) == [
        "run.started",
        "run.pausing",
        "run.paused",
        "run.resumed",
        "run.completed",
    ]
    check_rows()


def test_a_pause_before_the_first_call_leaves_everything_as_it_was(provider: Provider, bells: Bells) -> None:
    run = provider.campaign(numbers(3))
    act(pause_run, run)
    look(bells)
    run.refresh_from_db()
    assert run.status == RunStatus.PAUSED
    assert provider.batches() == []
    assert where(run) == {"pending": 3}


@pytest.mark.parametrize("stop", [pause_run, cancel_run])
def test_a_chunk_that_waits_for_the_provider_is_given_up_at_once(provider: Provider, bells: Bells, stop: Act) -> None:
    run = provider.campaign(numbers(3), max_concurrent=3)
    provider.at_submit("rate_limit_exceeded", retry_after=3000)
    look(bells)
    act(stop, run)
    look(bells)
    run.refresh_from_db()
    assert run.status in STOPPED
    assert run.chunks.get().status == ChunkStatus.DISSOLVED
    assert where(run) == {"pending" if stop is pause_run else "cancelled": 3}
    later(hours=1)
    look(bells)
    assert provider.batches() == []
    check_rows()


def test_a_chunk_found_after_the_pause_is_taken_back_at_the_provider(provider: Provider, bells: Bells) -> None:
    called = numbers(5)
    provider.allow(1)
    provider.script(called, outcome="stuck")
    run = provider.campaign(called, max_concurrent=4)
    provider.at_submit("internal_error", when="after")
    advance_run(run.pk)
    assert run.chunks.get().status == ChunkStatus.UNKNOWN
    act(pause_run, run)
    later_than_any_request()
    look(bells)
    assert [batch["status"] for batch in provider.batches()] == ["cancelled"]
    later(minutes=30)
    finish(bells, run)
    assert len(provider.placed()) == 1
    assert where(run) == {"pending": 4, "failed": 1}
    check_rows()


def test_pausing_again_changes_nothing(provider: Provider, bells: Bells) -> None:
    run = with_calls_up(provider, bells)
    act(pause_run, run)
    version = run.progress.__class__.objects.get(pk=run.pk).version
    assert act(pause_run, run).status == RunStatus.PAUSING
    later(minutes=30)
    finish(bells, run)
    assert act(pause_run, run).status == RunStatus.PAUSED
    assert CallEvent.objects.filter(type="run.pausing", pk__gt=version + 1).count() == 0


def test_cancelling_again_changes_nothing(provider: Provider, bells: Bells) -> None:
    run = with_calls_up(provider, bells)
    act(cancel_run, run)
    assert act(cancel_run, run).status == RunStatus.CANCELLED
    assert CallEvent.objects.filter(type="run.cancelled").count() == 1
    later(minutes=30)
    finish(bells, run, into=STOPPED)
    run.refresh_from_db()
    finished = run.finished_at
    assert finished is not None
    for _ in range(2):
        act(cancel_run, run)
        advance_run(run.pk)
    run.refresh_from_db()
    assert run.finished_at == finished


@pytest.mark.parametrize("before", ["running", "pausing", "paused"])
def test_a_run_can_be_cancelled_from_everywhere(provider: Provider, bells: Bells, before: str) -> None:
    run = with_calls_up(provider, bells)
    if before != "running":
        act(pause_run, run)
    if before == "paused":
        later(minutes=30)
        finish(bells, run)
    assert act(cancel_run, run).status == RunStatus.CANCELLED
    check_rows()
    later(minutes=30)
    for _ in range(2):
        look(bells)
    run.refresh_from_db()
    assert (run.status, run.next_at) == (RunStatus.CANCELLED, None)
    assert run.finished_at is not None
    assert where(run) == {"failed": 4, "cancelled": 2}
    check_rows()


def test_calls_that_are_up_when_a_run_is_cancelled_still_count(provider: Provider, bells: Bells) -> None:
    called = numbers(4)
    provider.script(called, outcome="answered", talk_secs=400)
    run = provider.campaign(called, max_concurrent=2)
    advance_run(run.pk)
    act(cancel_run, run)
    while Call.objects.filter(settled_at=None).exists():
        look(bells)
    look(bells)
    assert where(run) == {"success": 2, "cancelled": 2}
    check_rows()


@pytest.mark.parametrize(
    ("state", "do", "sentence"),
    [
        (RunStatus.COMPLETED, pause_run, "This campaign is completed; only a running campaign can be paused."),
        (RunStatus.CANCELLED, pause_run, "This campaign is cancelled; only a running campaign can be paused."),
        (RunStatus.COMPLETED, resume_run, "This campaign is completed; only a paused campaign can be resumed."),
        (RunStatus.CANCELLED, resume_run, "This campaign is cancelled; only a paused campaign can be resumed."),
        (RunStatus.RUNNING, resume_run, "This campaign is running; only a paused campaign can be resumed."),
        (RunStatus.PAUSING, resume_run, "This campaign is pausing; only a paused campaign can be resumed."),
        (RunStatus.COMPLETED, cancel_run, "This campaign is completed; there is nothing left to cancel."),
    ],
)
def test_what_does_not_fit_the_state_is_refused_with_a_sentence(
    provider: Provider, state: RunStatus, do: Act, sentence: str
) -> None:
    run = provider.campaign(status=state)
    with pytest.raises(Conflict) as refused:
        act(do, run)
    assert refused.value.sentence == sentence
    run.refresh_from_db()
    assert run.status == state


def test_a_run_is_resumed_once(provider: Provider, bells: Bells) -> None:
    called = numbers(3)
    run = provider.campaign(called, status=RunStatus.PAUSED)
    act(resume_run, run)
    with pytest.raises(Conflict):
        act(resume_run, run)
    finish(bells, run)
    assert provider.dialled() == called
    assert CallEvent.objects.filter(type="run.resumed").count() == 1


def test_a_run_is_not_resumed_beside_another_on_its_node(provider: Provider) -> None:
    paused = provider.campaign(status=RunStatus.PAUSED)
    running = provider.campaign(workspace=paused.workspace, node=paused.node)
    with pytest.raises(Conflict, match=running.call_id):
        act(resume_run, paused)
    paused.refresh_from_db()
    assert paused.status == RunStatus.PAUSED


def test_a_paused_run_leaves_its_node_to_another(provider: Provider, bells: Bells) -> None:
    paused = provider.campaign(status=RunStatus.PAUSED)
    node = paused.node
    node.connections.add(paused.agent.node)
    recipients = [NewRecipient(number=number) for number in numbers(2)]
    arguments = {"user": make_user(), "workspace": paused.workspace, "node": node, "recipients": recipients}
    run = start_run(**arguments)  # type: ignore[arg-type]
    with pytest.raises(Conflict, match=run.call_id):
        start_run(**arguments)  # type: ignore[arg-type]
    assert Run.objects.count() == 2
    finish(bells, run)
    assert len(provider.placed()) == 2
    check_rows()


def test_a_campaign_that_cannot_start_leaves_nothing_behind(provider: Provider) -> None:
    node = provider.campaign(status=RunStatus.PAUSED).node
    with pytest.raises(Invalid, match="has no agent"):
        start_run(
            user=make_user(), workspace=node.workspace, node=node, recipients=[NewRecipient(number="+15550100123")]
        )
    assert Run.objects.count() == 1


@pytest.mark.parametrize("status", RunStatus.values)
def test_a_run_can_be_renamed_in_every_state(provider: Provider, status: str) -> None:
    run = provider.campaign(status=status)
    version = run.progress.version
    act(lambda **given: rename_run(name="Spring", **given), run)
    run = Run.objects.get(pk=run.pk)
    assert (run.name, run.status) == ("Spring", status)
    assert run.progress.version > version
    assert CallEvent.objects.get(run=run).type == "run.renamed"
