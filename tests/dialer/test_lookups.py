"""Submissions with an unknown end: looked up, and no number dialled twice."""

from __future__ import annotations

import pytest
import requests
from django.utils import timezone
from pytest_django import Settings

from integrations.calls import CallReport, Phase
from telephony.dialer.advance import advance_run
from telephony.dialer.claims import claim, submit_timeout
from telephony.dialer.records import dissolve_chunk, record_submission, take_in
from telephony.models import Chunk, ChunkStatus, RecipientStatus, Run, RunStatus
from telephony.services import pause_run
from tests.bells import Bells
from tests.dialer.clock import later, later_than_any_request, one_more_minute
from tests.dialer.provider import Provider, finish, look, numbers
from tests.dialer.truth import check_rows
from tests.dialer.wire import Send, answer, over_the_wire
from tests.factories import make_user

pytestmark = pytest.mark.django_db
LISTED, CONVERSATIONS = "/batch-calling/workspace", "/convai/conversations"
LOST_BEFORE = [{"fault": "cut_off"}, {"fault": "internal_error"}]
LOST_AFTER = [{**fault, "when": "after"} for fault in LOST_BEFORE[:2]]


def chunk_of(run: Run) -> Chunk:
    return run.chunks.latest("pk")


@pytest.mark.parametrize("fault", LOST_BEFORE, ids=lambda fault: fault["fault"])
def test_a_submission_that_never_arrived_is_dialled_after_two_blank_looks(
    provider: Provider, bells: Bells, fault: dict[str, str]
) -> None:
    called = numbers(3)
    run = provider.campaign(called, max_concurrent=3)
    provider.at_submit(**fault)
    look(bells)
    assert chunk_of(run).status == ChunkStatus.UNKNOWN
    assert run.recipients.filter(status=RecipientStatus.IN_FLIGHT).count() == 3
    run.refresh_from_db()
    assert (run.status, run.wait_reason) == (RunStatus.RUNNING, "provider_down")
    later(seconds=2 * submit_timeout().total_seconds() - 5)
    look(bells)
    assert chunk_of(run).first_look_at is None, "looked before the request could have arrived"
    later(seconds=6)
    look(bells)
    assert (chunk_of(run).status, chunk_of(run).first_look_at is None) == (ChunkStatus.UNKNOWN, False)
    later(seconds=55)
    look(bells)
    assert chunk_of(run).status == ChunkStatus.UNKNOWN, "looked twice within a minute"
    check_rows()
    later(seconds=6)
    finish(bells, run)
    assert provider.dialled() == called
    assert [chunk.status for chunk in run.chunks.order_by("pk")] == [ChunkStatus.DISSOLVED, ChunkStatus.DONE]
    check_rows()


@pytest.mark.parametrize("fault", LOST_AFTER, ids=lambda fault: fault["fault"])
def test_a_submission_whose_answer_was_lost_is_found_and_not_made_again(
    provider: Provider, bells: Bells, fault: dict[str, str]
) -> None:
    called = numbers(3)
    run = provider.campaign(called, max_concurrent=3)
    provider.at_submit(**fault)
    look(bells)
    assert chunk_of(run).status == ChunkStatus.UNKNOWN
    later_than_any_request()
    finish(bells, run)
    assert provider.dialled() == called
    assert [batch["id"] for batch in provider.batches()] == [run.chunks.get().external_id]
    check_rows()


def test_a_submission_that_timed_out_after_it_was_accepted_is_found(
    provider: Provider, bells: Bells, settings: Settings
) -> None:
    called = numbers(3)
    run = provider.campaign(called, max_concurrent=3)
    settings.ELEVENLABS_READ_TIMEOUT = 0.2
    provider.at_submit("hold", when="after", seconds=1)
    look(bells)
    settings.ELEVENLABS_READ_TIMEOUT = 20
    assert chunk_of(run).status == ChunkStatus.UNKNOWN
    later(minutes=2)
    finish(bells, run)
    assert provider.dialled() == called
    assert run.chunks.count() == 1


def test_it_is_found_by_its_conversations_where_the_batch_is_not_listed(provider: Provider, bells: Bells) -> None:
    called = numbers(2)
    run = provider.campaign(called, max_concurrent=2)

    def unlisted(request: requests.PreparedRequest, send: Send) -> requests.Response:
        if LISTED in str(request.url):
            return answer(request, 200, {"batch_calls": [], "next_doc": None, "has_more": False})
        return send(request)

    provider.at_submit("internal_error", when="after")
    look(bells)
    later_than_any_request()
    with over_the_wire(unlisted):
        finish(bells, run)
    assert provider.dialled() == called
    assert run.chunks.get().external_id == provider.batches()[0]["id"]


def test_what_an_event_has_told_of_one_call_proves_that_its_submission_arrived(
    provider: Provider, bells: Bells
) -> None:
    run = provider.campaign(called := numbers(2), max_concurrent=2)

    def hidden(request: requests.PreparedRequest, send: Send) -> requests.Response:
        if LISTED in str(request.url):
            return answer(request, 200, {"batch_calls": [], "next_doc": None, "has_more": False})
        if "user_id=" in str(request.url):
            return answer(request, 200, {"conversations": [], "next_cursor": None, "has_more": False})
        return send(request)

    provider.at_submit("internal_error", when="after")
    look(bells)
    told = CallReport(phase=Phase.IN_PROGRESS, conversation_id="conv_told")
    take_in({run.calls.earliest("pk").pk: told}, now=timezone.now())
    with over_the_wire(hidden):
        for _ in range(3):
            one_more_minute()
            look(bells)
    assert chunk_of(run).status == ChunkStatus.DIALING
    later(minutes=30)
    finish(bells, run)
    assert provider.dialled() == called
    check_rows()


def test_a_chunk_that_is_sent_anew_is_looked_up_anew(provider: Provider, bells: Bells) -> None:
    run = provider.campaign(called := numbers(2), max_concurrent=2)
    provider.at_submit("rate_limit_exceeded")
    look(bells)
    # A blank look, just before the refusal was written down.
    assert run.chunks.filter(status=ChunkStatus.RATE_LIMITED).update(first_look_at=timezone.now())
    provider.at_submit("internal_error")
    one_more_minute()
    look(bells)
    later_than_any_request()
    look(bells)
    assert chunk_of(run).status == ChunkStatus.UNKNOWN, "one blank look was enough"
    one_more_minute()
    finish(bells, run)
    assert provider.dialled() == called
    check_rows()


def test_it_is_found_by_its_batch_before_anything_of_it_was_dialled(provider: Provider, bells: Bells) -> None:
    busy, run = provider.campaign(numbers(1)), provider.campaign(called := numbers(2), max_concurrent=2)
    provider.allow(1)
    provider.script(busy.recipients.values_list("number", flat=True), outcome="stuck")
    advance_run(busy.pk)
    provider.at_submit("internal_error", when="after")
    advance_run(run.pk)
    later_than_any_request()
    look(bells)
    assert chunk_of(run).status == ChunkStatus.DIALING
    assert not run.calls.exclude(conversation_id=None).exists()
    provider.allow(3)
    later(minutes=30)
    finish(bells, run, busy)
    assert [number for number in provider.dialled() if number in called] == called


def test_an_answer_that_comes_after_its_chunk_was_given_up_does_not_revive_it(provider: Provider, bells: Bells) -> None:
    run = provider.campaign(max_concurrent=3)
    chunk_id = claim(run.pk, now=timezone.now())
    assert isinstance(chunk_id, int)
    dissolve_chunk(chunk_id, now=timezone.now())
    record_submission(chunk_id, external_id="btcal_late", now=timezone.now())
    assert (chunk_of(run).status, chunk_of(run).external_id, chunk_of(run).next_at) == (ChunkStatus.DISSOLVED, "", None)
    check_rows()


@pytest.mark.parametrize("place", [LISTED, CONVERSATIONS])
def test_a_look_that_failed_is_not_a_blank_one(provider: Provider, bells: Bells, place: str) -> None:
    run = provider.campaign(max_concurrent=3)
    provider.at_submit("internal_error")
    look(bells)

    def failing(request: requests.PreparedRequest, send: Send) -> requests.Response:
        return answer(request, 503, {"detail": "x"}) if place in str(request.url) else send(request)

    with over_the_wire(failing):
        for _ in range(4):
            later(seconds=90)
            look(bells)
    assert (chunk_of(run).status, chunk_of(run).first_look_at) == (ChunkStatus.UNKNOWN, None)
    assert run.recipients.filter(status=RecipientStatus.IN_FLIGHT).count() == 3


def test_a_pause_looks_early_but_only_takes_what_it_finds(provider: Provider, bells: Bells) -> None:
    found, lost = provider.campaign(max_concurrent=3), provider.campaign(max_concurrent=3)
    provider.allow(1)
    provider.script(found.recipients.values_list("number", flat=True), outcome="stuck")
    provider.at_submit("internal_error", when="after")
    advance_run(found.pk)
    provider.at_submit("internal_error", when="before")
    advance_run(lost.pk)
    for run in (found, lost):
        pause_run(run=run, user=make_user())
    look(bells)
    assert chunk_of(found).status == ChunkStatus.DIALING
    assert (chunk_of(lost).status, chunk_of(lost).first_look_at) == (ChunkStatus.UNKNOWN, None)
    later_than_any_request()
    look(bells)
    later(seconds=61)
    look(bells)
    later(minutes=30)
    finish(bells, found, lost)
    assert len(provider.dialled()) == 1
    assert lost.recipients.filter(status=RecipientStatus.PENDING).count() == 3
    check_rows()
