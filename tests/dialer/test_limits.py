"""What the provider limits or refuses: nobody loses an attempt, the run says why it waits, and goes on by itself."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from django.utils import timezone
from pytest_django import Settings

from aispinner.core.errors import AccountExhausted, Conflict
from integrations.models import ElevenLabsKey, KeyStatus, PhoneProvider
from telephony.models import Call, Chunk, ChunkStatus, RecipientStatus, Run, RunStatus
from telephony.services import resume_run
from tests.bells import Bells
from tests.dialer.clock import later
from tests.dialer.provider import Provider, finish, look, numbers
from tests.dialer.truth import check_rows
from tests.factories import make_user

pytestmark = pytest.mark.django_db
NO_ROOM = ("concurrent_limit_exceeded", "too_many_concurrent_requests")
TOO_FAST = {"rate_limit_exceeded": "rate_limited", "system_busy": "provider_busy"}


def counts(run: Run) -> dict[str, int]:
    """How many recipients are where, of those places where any are."""
    found = run.recipients.values_list("status", flat=True)
    return {status: list(found).count(status) for status in RecipientStatus.values if status in found}


@pytest.mark.parametrize(
    ("code", "asked"), [("rate_limit_exceeded", None), ("rate_limit_exceeded", 30), ("system_busy", None)]
)
def test_a_chunk_that_came_too_fast_waits_with_its_numbers_and_is_dialled_once(
    provider: Provider, bells: Bells, code: str, asked: int | None
) -> None:
    called = numbers(4)
    run = provider.campaign(called, max_concurrent=4)
    provider.at_submit(code, retry_after=asked)
    look(bells)
    run.refresh_from_db()
    chunk = run.chunks.get()
    assert (run.status, run.wait_reason) == (RunStatus.RUNNING, TOO_FAST[code])
    assert (chunk.status, chunk.retry_at) == (ChunkStatus.RATE_LIMITED, run.next_attempt_at)
    assert chunk.retry_at is not None
    assert chunk.retry_at - timezone.now() > timedelta(seconds=(asked or 1.5) - 0.9)
    assert counts(run) == {"in_flight": 4}
    check_rows()
    look(bells)
    assert provider.dialled() == []
    later(seconds=(asked or 1.5) - 1)
    look(bells)
    assert provider.dialled() == [], "it came back before its time"
    later(seconds=5)
    finish(bells, run)
    run.refresh_from_db()
    assert provider.dialled() == called
    assert (run.chunks.get().attempts, run.wait_reason) == (2, "")
    check_rows()


def test_refusal_after_refusal_is_waited_for_longer_and_longer(provider: Provider, bells: Bells) -> None:
    run = provider.campaign(max_concurrent=3)
    provider.at_submit("rate_limit_exceeded", times=4)
    waits = []
    for _ in range(4):
        look(bells)
        chunk = run.chunks.get()
        assert chunk.retry_at is not None
        waits.append(chunk.retry_at - timezone.now())
        later(minutes=2)
    assert all(earlier * 1.2 < following for earlier, following in pairwise(waits))
    finish(bells, run)
    assert len(provider.dialled()) == 3


@pytest.mark.parametrize("code", NO_ROOM)
def test_a_chunk_without_room_is_planned_smaller(provider: Provider, bells: Bells, code: str) -> None:
    called = numbers(8)
    run = provider.campaign(called, max_concurrent=8)
    provider.at_submit(code, times=2)
    look(bells)
    assert counts(run) == {"pending": 4, "in_flight": 4}
    check_rows()
    later(seconds=10)
    look(bells)
    assert counts(run) == {"pending": 6, "in_flight": 2}
    account = provider.account()
    assert account.learned_limit == 2
    run.refresh_from_db()
    assert run.wait_reason == "no_capacity"
    later(seconds=20)
    look(bells)
    [batch] = provider.batches()
    assert [one["phone_number"] for one in batch["recipients"]] == called[:2]
    assert batch["target_concurrency_limit"] == 2
    finish(bells, run, within=20)
    assert provider.dialled() == called
    assert provider.most_at_once() == 2
    check_rows()


def test_learned_room_is_forgotten_after_a_while(provider: Provider, bells: Bells) -> None:
    run = provider.campaign(numbers(8), max_concurrent=4)
    provider.at_submit(NO_ROOM[0])
    look(bells)
    later(minutes=2)
    finish(bells, run)
    assert max(Chunk.objects.filter(run=run).values_list("size", flat=True)) == 4


@pytest.mark.parametrize("fault", ["insufficient_credits", "quota_exceeded"])
def test_a_used_up_quota_pauses_the_run_and_gives_every_number_back(
    provider: Provider, bells: Bells, fault: str
) -> None:
    called = numbers(4)
    run = provider.campaign(called, max_concurrent=2)
    provider.at_submit(fault)
    look(bells)
    run.refresh_from_db()
    assert (run.status, run.wait_reason) == (RunStatus.PAUSED, "quota_exhausted")
    assert counts(run) == {"pending": 4}
    check_rows()
    with pytest.raises(AccountExhausted):
        resume_run(run=run, user=make_user())
    later(minutes=6)
    resume_run(run=Run.objects.get(), user=make_user())
    finish(bells, run)
    run.refresh_from_db()
    assert (run.status, run.wait_reason) == (RunStatus.COMPLETED, "")
    assert provider.dialled() == called
    check_rows()


@pytest.mark.parametrize(("fault", "reason"), [("out_of_credits", "quota_exhausted"), ("daily_limit", "daily_limit")])
def test_calls_that_an_account_limit_stopped_at_their_start_were_never_dialled(
    provider: Provider, bells: Bells, fault: str, reason: str
) -> None:
    called = numbers(5)
    run = provider.campaign(called, max_concurrent=3)
    provider.script(called, outcome="answered")
    provider.faults({"fault": fault, "times": 2})
    finish(bells, run)
    run.refresh_from_db()
    assert (run.status, run.wait_reason) == (RunStatus.PAUSED, reason)
    assert counts(run) == {"pending": 4, "success": 1}
    assert run.progress.child_count == 1
    assert set(Call.objects.filter(status="cancelled").values_list("outcome", "reason")) == {
        ("cancelled", "not_dialled")
    }
    check_rows()
    later(minutes=6)
    resume_run(run=Run.objects.get(), user=make_user())
    finish(bells, run)
    assert provider.dialled() == called
    check_rows()


def test_a_call_whose_credits_ran_out_in_the_middle_is_not_made_again(provider: Provider, bells: Bells) -> None:
    called = numbers(2)
    run = provider.campaign(called, max_concurrent=2)
    provider.script(called, outcome="credits_mid_call")
    finish(bells, run)
    assert provider.dialled() == called
    assert set(run.calls.values_list("status", "outcome")) == {("done", "answered")}


def test_a_refused_key_is_replaced_by_another_of_its_account(provider: Provider, bells: Bells) -> None:
    called = numbers(3)
    run = provider.campaign(called, max_concurrent=2)
    assert run.api_key is not None
    bad, good = run.api_key, provider.key(run.workspace, secret=f"sk_acct_{provider.name}_other")
    provider.faults({"fault": "key_refused", "key_prefix": bad.key, "endpoint": "batch_calling.submit"})
    finish(bells, run)
    run.refresh_from_db()
    bad.refresh_from_db()
    assert (run.status, run.api_key, bad.status) == (RunStatus.COMPLETED, good, KeyStatus.REFUSED)
    assert provider.dialled() == called
    check_rows()


def test_a_refused_key_without_another_pauses_until_there_is_one(provider: Provider, bells: Bells) -> None:
    called = numbers(3)
    run = provider.campaign(called, max_concurrent=3)
    elsewhere = Provider(http=provider.http)
    elsewhere.key(run.workspace)  # of another account: never used for this run
    provider.at_submit("key_refused")
    look(bells)
    run.refresh_from_db()
    assert (run.status, run.wait_reason) == (RunStatus.PAUSED, "key_refused")
    assert counts(run) == {"pending": 3}
    with pytest.raises(Conflict, match="add one, then resume"):
        resume_run(run=run, user=make_user())
    fresh = provider.key(run.workspace, secret=f"sk_acct_{provider.name}_fresh")
    resume_run(run=run, user=make_user())
    finish(bells, run)
    run.refresh_from_db()
    assert (run.status, run.api_key) == (RunStatus.COMPLETED, fresh)
    assert provider.dialled() == called
    assert elsewhere.dialled() == []


def test_a_key_that_may_not_dial_pauses_the_run_with_that_reason(provider: Provider, bells: Bells) -> None:
    run = provider.campaign()
    provider.at_submit("missing_permissions")
    look(bells)
    run.refresh_from_db()
    assert (run.status, run.wait_reason) == (RunStatus.PAUSED, "not_allowed")
    assert not ElevenLabsKey.objects.exclude(status=KeyStatus.WORKING).exists()


def test_an_agent_that_is_gone_pauses_the_run_with_that_reason(provider: Provider, bells: Bells) -> None:
    run = provider.campaign()
    run.agent.elevenlabs_agent_id = "agent_that_is_gone"
    run.agent.save()
    look(bells)
    run.refresh_from_db()
    assert (run.status, run.wait_reason) == (RunStatus.PAUSED, "agent_missing")
    assert counts(run) == {"pending": 3}
    check_rows()


def test_a_number_that_is_gone_at_the_provider_is_registered_anew_when_resumed(
    provider: Provider, bells: Bells
) -> None:
    called = numbers(3)
    run = provider.campaign(called, max_concurrent=3)
    PhoneProvider.objects.update(registered_id="phnum_gone", twilio_phone="+15550100100")
    look(bells)
    run.refresh_from_db()
    assert (run.status, run.wait_reason) == (RunStatus.PAUSED, "number_missing")
    resume_run(run=run, user=make_user())
    finish(bells, run)
    assert provider.dialled() == called
    assert PhoneProvider.objects.get().registered_id not in {"", "phnum_gone"}


def test_a_provider_that_cannot_be_reached_costs_nobody_an_attempt(
    provider: Provider, bells: Bells, settings: Settings
) -> None:
    called = numbers(3)
    run = provider.campaign(called, max_concurrent=3)
    reachable = settings.ELEVENLABS_BASE_URL
    settings.ELEVENLABS_BASE_URL = "http://127.0.0.1:9"
    look(bells)
    run.refresh_from_db()
    assert (run.status, run.wait_reason) == (RunStatus.RUNNING, "provider_down")
    assert run.chunks.get().status == ChunkStatus.RATE_LIMITED
    settings.ELEVENLABS_BASE_URL = reachable
    later(seconds=5)
    finish(bells, run)
    assert provider.dialled() == called
    check_rows()
