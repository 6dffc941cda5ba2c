"""Two ways to hear of results, either enough: events alone, polling alone, and both with half of it lost."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from django.http import HttpResponse
from django.test import Client

from integrations.models import ReceiptStatus, WebhookEndpoint, WebhookReceipt
from telephony.dialer.advance import advance_run
from telephony.dialer.bell import ring_runs
from telephony.models import Call, Run, RunStatus
from telephony.webhooks.inbox import apply_receipts
from tests.bells import Bells
from tests.dialer.clock import later
from tests.dialer.provider import Provider, look, numbers
from tests.dialer.threads import eventually
from tests.dialer.truth import check_rows
from tests.dialer.wire import counting
from tests.simulator.helpers import Listener, listening

pytestmark = pytest.mark.django_db
OUTCOMES = ("answered", "voicemail", "busy", "no_answer")


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as started:
        yield started


def listen(provider: Provider, listener: Listener) -> WebhookEndpoint:
    """Our endpoint, whose events the listener takes in until the test passes them on."""
    webhook = {"settings": {"auth_type": "hmac", "name": "ours", "webhook_url": listener.url}}
    headers = {"xi-api-key": provider.secret}
    created = provider.http.post("/v1/workspace/webhooks", json=webhook, headers=headers).json()
    attached = {"webhooks": {"post_call_webhook_id": created["webhook_id"]}}
    assert provider.http.patch("/v1/convai/settings", json=attached, headers=headers).status_code == 200
    return provider.endpoint(secret=created["webhook_secret"])


def pass_on(endpoint: WebhookEndpoint, listener: Listener) -> None:
    """Post what was heard to our own address, as it came."""
    while listener.heard:
        heard = listener.heard.pop(0)
        response = Client().post(
            f"/webhooks/elevenlabs/{endpoint.public_id}",
            heard.body,
            content_type="application/json",
            headers={"ElevenLabs-Signature": heard.headers["elevenlabs-signature"]},
        )
        assert isinstance(response, HttpResponse)
        assert response.status_code == 200


def campaign(provider: Provider, size: int, *, outcomes: tuple[str, ...] = OUTCOMES) -> Run:
    called = numbers(size)
    for place, outcome in enumerate(outcomes):
        provider.script(called[place :: len(outcomes)], outcome=outcome)
    return provider.campaign(called, max_concurrent=4)


def is_completed(run: Run) -> bool:
    run.refresh_from_db()
    return run.status == RunStatus.COMPLETED


def assert_all_told(provider: Provider, run: Run) -> None:
    assert provider.dialled() == sorted(run.recipients.values_list("number", flat=True))
    told = {(call.subscriber_phone, call.outcome) for call in run.calls.all()}
    assert told == {(entry["number"], entry["outcome"]) for entry in provider.placed()}
    talked = Call.objects.filter(run=run, outcome__in=["answered", "voicemail"])
    assert all(call.duration_sec and call.summary and call.transcript != "[]" and call.has_audio for call in talked)
    check_rows()


def test_a_campaign_finishes_by_events_alone(provider: Provider, bells: Bells, listener: Listener) -> None:
    """Of calls that were answered: an event about any other does not carry our id, its conversation must be known."""
    endpoint, run = listen(provider, listener), campaign(provider, 8, outcomes=("answered", "voicemail"))
    deadline = time.monotonic() + 15
    with counting(at="/batch-calling/btcal_") as polled, counting(at="/convai/conversations") as asked:
        ring_runs([run.pk])
        while not is_completed(run):
            assert time.monotonic() < deadline, list(run.calls.values_list("status", "outcome", "settled_at"))
            pass_on(endpoint, listener)
            bells.answer()
            time.sleep(0.005)
    assert polled == asked == []
    assert_all_told(provider, run)


@pytest.mark.parametrize("outcome", ["busy", "no_answer"])
def test_the_conversation_of_a_call_that_nobody_took_is_asked_once_whose_it_is(
    provider: Provider, bells: Bells, listener: Listener, outcome: str
) -> None:
    endpoint, run = listen(provider, listener), campaign(provider, 1, outcomes=(outcome,))
    advance_run(run.pk)
    eventually(lambda: bool(listener.heard))
    with counting(at="/batch-calling/btcal_") as polled, counting(at="/convai/conversations/") as asked:
        pass_on(endpoint, listener)
        bells.answer()
    assert (len(polled), len(asked)) == (0, 1)
    call = run.calls.get()
    assert (call.status, call.outcome, call.settled_at is None) == ("failed", outcome, False)
    assert WebhookReceipt.objects.get().status == ReceiptStatus.APPLIED
    assert is_completed(run)
    check_rows()


@pytest.mark.parametrize("outcome", ["busy", "no_answer"])
def test_the_event_of_a_call_that_nobody_took_waits_while_the_conversation_cannot_be_asked(
    provider: Provider, bells: Bells, listener: Listener, outcome: str
) -> None:
    endpoint, run = listen(provider, listener), campaign(provider, 1, outcomes=(outcome,))
    advance_run(run.pk)
    eventually(lambda: bool(listener.heard))
    provider.faults({"fault": "internal_error", "endpoint": "conversations.get"})
    pass_on(endpoint, listener)
    bells.answer()
    assert WebhookReceipt.objects.get().status == ReceiptStatus.WAITING
    Call.objects.update(conversation_id=provider.placed()[0]["conversation_id"])
    later(minutes=1)
    apply_receipts(endpoint.pk)
    call = run.calls.get()
    assert (call.status, call.outcome, call.settled_at is None) == ("failed", outcome, False)
    look(bells)
    assert is_completed(run)
    check_rows()


def test_a_campaign_finishes_by_polling_alone(provider: Provider, bells: Bells, listener: Listener) -> None:
    listen(provider, listener)
    provider.faults({"fault": "webhook_dropped"})
    run, deadline = campaign(provider, 8), time.monotonic() + 15
    while not is_completed(run):
        assert time.monotonic() < deadline
        look(bells)
        time.sleep(0.005)
    assert listener.heard == []
    assert_all_told(provider, run)


def test_a_campaign_finishes_with_events_lost_doubled_and_shuffled(
    provider: Provider, bells: Bells, listener: Listener
) -> None:
    endpoint = listen(provider, listener)
    provider.faults(
        {"fault": "webhook_dropped", "probability": 0.3},
        {"fault": "webhook_doubled"},
        {"fault": "webhook_delayed", "seconds": 0.2},
    )
    run, deadline = campaign(provider, 12), time.monotonic() + 15
    while not is_completed(run):
        assert time.monotonic() < deadline
        pass_on(endpoint, listener)
        look(bells)
    assert_all_told(provider, run)
    pass_on(endpoint, listener)
    look(bells)
    assert_all_told(provider, run)


def test_one_conversation_that_cannot_be_asked_about_hides_nothing_of_the_others(
    provider: Provider, bells: Bells, listener: Listener
) -> None:
    listen(provider, listener)
    run = campaign(provider, 4, outcomes=("answered",))
    advance_run(run.pk)
    eventually(lambda: all(entry["ended_at"] for entry in provider.placed()) and len(provider.placed()) == 4)
    provider.faults({"fault": "internal_error", "endpoint": "conversations.get", "times": 1})
    look(bells)
    assert sorted(run.calls.values_list("status", flat=True))[:3] == ["done"] * 3
    deadline = time.monotonic() + 10
    while not is_completed(run):
        assert time.monotonic() < deadline
        look(bells)
    check_rows()
