"""Workers that die at any step, or come back too late; calls, keys and providers that fall silent: every run ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import requests
from django.utils import timezone

from integrations.models import PhoneProvider
from telephony.dialer.advance import advance_run
from telephony.dialer.chunks import advance_chunk
from telephony.dialer.claims import claim, submit_timeout
from telephony.models import Call, Chunk, ChunkStatus, RecipientStatus, Run, RunStatus
from telephony.services import cancel_run, pause_run, resume_run
from tests.bells import Bells
from tests.dialer.clock import later, later_than_any_request, one_more_minute
from tests.dialer.provider import Provider, finish, look, numbers
from tests.dialer.truth import check_rows
from tests.dialer.wire import SUBMIT, Send, WorkerKilled, answer, counting, dying, over_the_wire
from tests.factories import make_user

pytestmark = pytest.mark.django_db
ONE_BATCH = "/batch-calling/btcal_"


STEPS = ["claimed", "preparing", "before the request", "after the answer"]


def die_at(step: str, run: Run) -> None:
    """A worker that advances `run` is killed at `step`."""
    if step == "claimed":
        assert isinstance(claim(run.pk, now=timezone.now()), int)
        return
    if step == "preparing":
        PhoneProvider.objects.update(registered_account=None, registered_id="", twilio_phone="+15550100100")
    place = "/phone-numbers" if step == "preparing" else SUBMIT
    with dying(at=place, after=step == "after the answer"), pytest.raises(WorkerKilled):
        advance_run(run.pk)


@pytest.mark.parametrize("step", STEPS)
def test_a_worker_may_die_at_any_step_and_every_number_is_dialled_once(
    provider: Provider, bells: Bells, step: str
) -> None:
    called = numbers(5)
    run = provider.campaign(called, max_concurrent=3)
    die_at(step, run)
    bells.clear()
    check_rows()
    look(bells)
    assert run.chunks.count() == 1, "somebody did not wait for what may be on its way"
    for pass_time in (later_than_any_request, one_more_minute):
        pass_time()
        look(bells)
    finish(bells, run)
    assert provider.dialled() == called
    assert (run.chunks.filter(status=ChunkStatus.DISSOLVED).count() == 0) == (step == "after the answer")
    check_rows()


@pytest.mark.parametrize(
    ("stop", "step"),
    [*((pause_run, step) for step in STEPS), (cancel_run, "claimed"), (cancel_run, "after the answer")],
)
def test_a_run_is_stopped_for_good_although_its_worker_died(
    provider: Provider, bells: Bells, step: str, stop: Callable[..., Run]
) -> None:
    called = numbers(4)
    run = provider.campaign(called, max_concurrent=2)
    provider.allow(1)
    die_at(step, run)
    later(seconds=submit_timeout().total_seconds() + 1)  # so that stopping does not wait for the wire
    before = len(provider.batches())
    stop(run=run, user=make_user())
    for pass_time in (later_than_any_request, one_more_minute):
        look(bells)
        pass_time()
    finish(bells, run, into=(RunStatus.PAUSED, RunStatus.CANCELLED))
    assert len(provider.batches()) == before
    check_rows()
    assert not run.recipients.filter(status=RecipientStatus.IN_FLIGHT).exists()


@pytest.mark.parametrize("prepared", [True, False])
def test_a_chunk_given_up_while_its_worker_was_slow_is_not_submitted_after_all(
    provider: Provider, bells: Bells, prepared: bool
) -> None:
    called = numbers(3)
    run = provider.campaign(called, max_concurrent=3)
    PhoneProvider.objects.update(registered_account=None, registered_id="", twilio_phone="+15550100100")
    slow = True

    def handle(request: requests.PreparedRequest, send: Send) -> requests.Response:
        nonlocal slow
        if slow and "/phone-numbers" in str(request.url):
            slow = False
            for _ in range(3):  # minutes pass; others look for the chunk and find nothing, twice
                later(minutes=2)
                advance_chunk(run.chunks.get().pk)
            return send(request) if prepared else answer(request, 429, {"detail": "x"})
        return send(request)

    with over_the_wire(handle):
        look(bells)
    later(minutes=1)
    finish(bells, run)
    run.refresh_from_db()
    assert run.status == RunStatus.COMPLETED
    assert provider.dialled() == called
    check_rows()


def test_a_run_that_was_stopped_while_its_worker_prepared_submits_nothing(provider: Provider, bells: Bells) -> None:
    run = provider.campaign(max_concurrent=3)
    PhoneProvider.objects.update(registered_account=None, registered_id="", twilio_phone="+15550100100")

    def handle(request: requests.PreparedRequest, send: Send) -> requests.Response:
        if "/phone-numbers" in str(request.url):
            later(minutes=1)  # its database connection, and with it its lock, was lost long ago
            pause_run(run=run, user=make_user())
        return send(request)

    with over_the_wire(handle), counting(at=SUBMIT) as submitted:
        advance_run(run.pk)
    finish(bells, run)
    assert not submitted
    assert not provider.batches()
    assert run.recipients.filter(status=RecipientStatus.PENDING).count() == 3
    resume_run(run=Run.objects.get(), user=make_user())
    finish(bells, run)
    assert len(provider.dialled()) == 3


def test_a_call_that_is_silent_past_its_deadline_is_ended_as_lost(provider: Provider, bells: Bells) -> None:
    called = numbers(2)
    run = provider.campaign(called, max_concurrent=2)
    provider.script(called[:1], outcome="stuck")
    provider.script(called[1:], outcome="answered")
    for _ in range(20):
        look(bells)
    later(minutes=15)
    look(bells)
    assert Call.objects.filter(ended_at=None).count() == 1
    later(minutes=10)
    finish(bells, run)
    lost = Call.objects.get(reason="lost_sight")
    assert (lost.subscriber_phone, lost.status, lost.outcome) == (called[0], "failed", "error")
    assert lost.conversation_id is not None
    run.refresh_from_db()
    assert (run.status, run.progress.failed) == (RunStatus.COMPLETED, 1)
    assert provider.dialled() == called
    check_rows()


def test_a_number_that_the_provider_left_out_of_a_batch_does_not_keep_the_run_open(
    provider: Provider, bells: Bells
) -> None:
    called = numbers(3)
    run = provider.campaign(called, max_concurrent=3)

    def forgetful(request: requests.PreparedRequest, send: Send) -> requests.Response:
        response = send(request)
        if ONE_BATCH not in str(request.url) or request.method != "GET":
            return response
        batch = response.json()
        batch["recipients"] = [one for one in batch["recipients"] if one["phone_number"] != called[1]]
        return answer(request, 200, batch)

    def unheard_of(request: requests.PreparedRequest, send: Send) -> requests.Response:
        if "user_id=" in str(request.url):
            return answer(request, 200, {"conversations": [], "next_cursor": None, "has_more": False})
        return forgetful(request, send)

    with over_the_wire(unheard_of):
        for _ in range(10):
            look(bells)
        later(minutes=30)
        finish(bells, run)
    assert Call.objects.get(subscriber_phone=called[1]).reason == "lost_sight"
    run.refresh_from_db()
    assert run.status == RunStatus.COMPLETED


@pytest.mark.parametrize("known", [True, False])
def test_a_key_that_is_refused_while_calls_are_up_does_not_keep_the_run_open(
    provider: Provider, bells: Bells, known: bool
) -> None:
    run = provider.campaign(max_concurrent=3)
    if not known:
        provider.at_submit("internal_error", when="after")
    advance_run(run.pk)
    provider.faults({"fault": "key_refused"})
    later(minutes=5)
    look(bells)
    assert Call.objects.filter(ended_at=None).count() == 3, "given up too early"
    later(minutes=30)
    finish(bells, run)
    assert set(run.calls.values_list("status", "reason")) == {("failed", "lost_sight")}
    assert run.chunks.latest("pk").status == ChunkStatus.DONE
    check_rows()


def test_an_outage_while_calls_are_up_ends_nothing(provider: Provider, bells: Bells) -> None:
    called = numbers(3)
    run = provider.campaign(called, max_concurrent=3)
    advance_run(run.pk)
    provider.faults({"fault": "service_unavailable"})
    for _ in range(3):
        later(minutes=30)
        look(bells)
    assert Call.objects.filter(ended_at=None).count() == 3
    provider.faults()
    later(minutes=2)
    finish(bells, run)
    assert not run.calls.filter(reason="lost_sight").exists()
    assert provider.dialled() == called


def test_lookups_and_submissions_leave_no_closed_chunk_due(provider: Provider, bells: Bells) -> None:
    run = provider.campaign(max_concurrent=3)
    finish(bells, run)
    later(hours=1)
    look(bells)
    assert not Chunk.objects.filter(next_at__isnull=False).exists()
    assert timezone.now() - run.chunks.get().submitted_at > timedelta(hours=1)
