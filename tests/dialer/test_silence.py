"""When the provider cannot be asked, or trips us up: the run says so, waits, goes on; and nothing is tried for ever."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
import requests
from django.utils import timezone
from pytest_django import Settings

from integrations.models import ElevenLabsKey, KeyStatus
from telephony.dialer.advance import advance_run
from telephony.models import Call, CallEvent, Chunk, ChunkStatus, Run, RunStatus
from telephony.services import pause_run, resume_run
from telephony.stacks.elevenlabs import ElevenLabsStack
from tests.bells import Bells
from tests.dialer.clock import later, later_than_any_request, now_due
from tests.dialer.provider import Provider, finish, look, numbers
from tests.dialer.truth import check_rows
from tests.dialer.wire import Send, answer, counting, over_the_wire
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("rate_limit_exceeded", "rate_limited"), ("system_busy", "provider_busy"), ("internal_error", "provider_down")],
)
def test_a_run_that_cannot_hear_of_its_calls_says_so_submits_nothing_and_goes_on(
    provider: Provider, bells: Bells, fault: str, reason: str
) -> None:
    called = numbers(4)
    run = provider.campaign(called, max_concurrent=2, pacing="continuous")
    provider.script(called, outcome="stuck")
    look(bells)
    provider.faults({"fault": fault, "endpoint": "batch_calling.get"})
    look(bells)
    run.refresh_from_db()
    assert (run.status, run.wait_reason) == (RunStatus.RUNNING, reason)
    assert run.next_attempt_at is not None
    assert run.next_attempt_at > timezone.now()
    provider.faults()
    later(minutes=1)
    look(bells)
    assert Run.objects.values_list("wait_reason", "next_attempt_at").get() == ("", None)
    check_rows()


def test_one_conversation_that_cannot_be_asked_keeps_nobody_from_dialling(provider: Provider, bells: Bells) -> None:
    called = numbers(6)
    run = provider.campaign(called, max_concurrent=2, pacing="continuous")
    advance_run(run.pk)
    bad: set[str] = set()

    def handle(request: requests.PreparedRequest, send: Send) -> requests.Response:
        path = request.path_url.partition("?")[0]
        if "/conversations/" in path:
            bad.add(path) if not bad else None
            if path in bad:
                return answer(request, 500, {"detail": "x"})
        return send(request)

    with over_the_wire(handle):
        for _ in range(60):
            look(bells)
            assert Run.objects.get().wait_reason == ""
            if len(provider.dialled()) == 6:
                break
    assert provider.dialled() == called


def test_a_key_that_is_refused_while_asking_is_replaced_and_the_calls_are_heard_of(
    provider: Provider, bells: Bells
) -> None:
    called = numbers(4)
    run = provider.campaign(called, max_concurrent=2)
    assert run.api_key is not None
    bad, good = run.api_key, provider.key(run.workspace, secret=f"sk_acct_{provider.name}_other")
    look(bells)
    provider.faults({"fault": "key_refused", "key_prefix": bad.key})
    finish(bells, run)
    run.refresh_from_db()
    assert (run.status, run.api_key) == (RunStatus.COMPLETED, good)
    assert ElevenLabsKey.objects.get(pk=bad.pk).status == KeyStatus.REFUSED
    assert provider.dialled() == called
    assert not Call.objects.filter(reason="lost_sight").exists()
    check_rows()


def test_without_another_key_the_run_pauses_and_a_new_one_brings_the_results(provider: Provider, bells: Bells) -> None:
    called = numbers(4)
    run = provider.campaign(called, max_concurrent=2)
    assert run.api_key is not None
    look(bells)
    provider.faults({"fault": "key_refused", "key_prefix": run.api_key.key})
    look(bells)
    run.refresh_from_db()
    assert (run.status, run.wait_reason) == (RunStatus.PAUSING, "key_refused")
    provider.key(run.workspace, secret=f"sk_acct_{provider.name}_fresh")
    finish(bells, run)
    resume_run(run=Run.objects.get(), user=make_user())
    finish(bells, run)
    assert Run.objects.get().status == RunStatus.COMPLETED
    assert provider.dialled() == called
    assert not Call.objects.filter(reason="lost_sight").exists()
    check_rows()


def test_a_refused_cancel_is_not_asked_for_again_and_the_calls_end_by_themselves(
    provider: Provider, bells: Bells
) -> None:
    called = numbers(4)
    provider.allow(1)
    provider.script(called, outcome="stuck")
    run = provider.campaign(called, max_concurrent=4)
    advance_run(run.pk)

    def refuse(request: requests.PreparedRequest, send: Send) -> requests.Response:
        return (
            answer(request, 409, {"detail": {"type": "conflict"}}) if "/cancel" in request.path_url else send(request)
        )

    with over_the_wire(refuse):
        pause_run(run=run, user=make_user())
        look(bells)
    assert run.chunks.get().cancelled_at is not None
    with counting(at="/cancel") as asked:
        look(bells)
        look(bells)
    assert asked == []
    for _ in range(2):
        later(hours=2)
        look(bells)
    finish(bells, run)
    assert Run.objects.get().status == RunStatus.COMPLETED
    assert set(Call.objects.values_list("reason", flat=True)) == {"lost_sight"}
    check_rows()


def test_numbers_that_the_provider_never_gets_round_to_are_taken_back_and_submitted_again(
    provider: Provider, bells: Bells
) -> None:
    called = numbers(4)
    provider.allow(1)
    provider.script(called[:1], outcome="stuck")
    run = provider.campaign(called, max_concurrent=4)
    advance_run(run.pk)
    look(bells)
    later(minutes=50)
    look(bells)  # the stuck call is given up
    assert list(run.calls.exclude(ended_at=None).values_list("reason", flat=True)) == ["lost_sight"]
    assert provider.batches()[0]["status"] != "cancelled"
    provider.allow(4)
    later(minutes=61)
    finish(bells, run)
    assert provider.dialled() == called
    assert Run.objects.get().status == RunStatus.COMPLETED
    check_rows()


def test_a_cancel_that_was_not_answered_is_asked_for_again(provider: Provider, bells: Bells) -> None:
    called = numbers(4)
    provider.allow(1)
    provider.script(called, outcome="stuck")
    run = provider.campaign(called, max_concurrent=4)
    advance_run(run.pk)
    provider.faults({"fault": "internal_error", "endpoint": "batch_calling.cancel", "times": 1})
    pause_run(run=run, user=make_user())
    look(bells)
    assert run.chunks.get().cancelled_at is None
    now_due()
    later(seconds=30)
    look(bells)
    assert [batch["status"] for batch in provider.batches()] == ["cancelled"]


@pytest.mark.parametrize("step", ["prepare", "submit"])
def test_what_nobody_foresaw_pauses_the_run_and_dials_nobody_twice(provider: Provider, bells: Bells, step: str) -> None:
    called = numbers(3)
    run = provider.campaign(called, max_concurrent=3)
    real = getattr(ElevenLabsStack, step)

    def trip(self: ElevenLabsStack, order: Any) -> Any:
        real(self, order)
        raise LookupError("+15550100123")

    with patch.object(ElevenLabsStack, step, trip):
        look(bells)
    assert CallEvent.objects.get(type="run.pausing").data == {"reason": "internal_error"}
    later_than_any_request()
    finish(bells, run)
    if step == "prepare":
        assert run.recipients.filter(status="pending").count() == 3
        resume_run(run=Run.objects.get(), user=make_user())
        finish(bells, run)
    assert provider.dialled() == called
    check_rows()


def test_what_nobody_foresaw_in_asking_is_asked_again_and_ended_in_time(
    provider: Provider, bells: Bells, caplog: pytest.LogCaptureFixture
) -> None:
    called = numbers(2)
    run = provider.campaign(called, max_concurrent=2)
    advance_run(run.pk)
    with patch.object(ElevenLabsStack, "poll", side_effect=ZeroDivisionError("+15550100123")):
        look(bells)
        run.refresh_from_db()
        assert (run.wait_reason, run.chunks.get().status) == ("internal_error", ChunkStatus.DIALING)
        later(hours=3)
        look(bells)
        look(bells)
    run.refresh_from_db()
    assert run.status == RunStatus.COMPLETED
    assert set(Call.objects.values_list("reason", flat=True)) == {"lost_sight"}
    assert "ZeroDivisionError" in caplog.text
    assert "+1555" not in caplog.text


def test_a_database_that_is_away_is_no_reason_to_stop(provider: Provider, bells: Bells, settings: Settings) -> None:
    from django.db import OperationalError

    run = provider.campaign(numbers(2), max_concurrent=2)
    with (
        patch.object(ElevenLabsStack, "prepare", side_effect=OperationalError("gone")),
        pytest.raises(OperationalError),
    ):
        advance_run(run.pk)
    assert Run.objects.get().status == RunStatus.RUNNING
    assert Chunk.objects.get().status == ChunkStatus.SUBMITTING
    later(minutes=5)
    look(bells)
    later(minutes=5)
    finish(bells, run, within=20)
    assert len(provider.dialled()) == 2
    assert timezone.now() - Run.objects.get().created_at > timedelta(minutes=10)
