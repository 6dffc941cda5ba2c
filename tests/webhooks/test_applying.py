"""Stored events applied to their calls: early, late, in masses, doubled and shuffled."""

from __future__ import annotations

from hashlib import sha256
from random import Random
from typing import Any

import orjson
import pytest
from django.utils import timezone

from integrations.calls import Phase
from integrations.models import ReceiptStatus, WebhookReceipt
from telephony.dialer.transitions import apply_reports
from telephony.models import Call, CallEvent, Run, RunStatus, SessionKind, VoiceSession
from telephony.voice.sweep import end_sessions
from telephony.webhooks.inbox import _due, apply_receipts
from tests.bells import Bells
from tests.dialer.clock import later
from tests.dialer.test_reports import LIFE, up
from tests.dialer.threads import Open, rivals
from tests.dialer.truth import check_rows
from tests.webhooks.events import make_calls, make_endpoint, post, transcription

pytestmark = pytest.mark.django_db


def states() -> list[str]:
    return list(WebhookReceipt.objects.order_by("pk").values_list("status", flat=True))


def audio(conversation_id: str) -> bytes:
    data = {"agent_id": "agent_xyz", "conversation_id": conversation_id, "full_audio": "SUQz"}
    return orjson.dumps({"type": "post_call_audio", "event_timestamp": 1, "data": data})


def test_an_event_ends_and_settles_the_call_that_carries_our_id(bells: Bells) -> None:
    endpoint = make_endpoint()
    [call] = make_calls(endpoint)
    post(endpoint, transcription(call.call_id))
    bells.answer()
    call.refresh_from_db()
    assert (call.status, call.outcome, call.duration_sec, call.summary) == ("done", "answered", 42, "They agreed.")
    assert (call.conversation_id, call.has_audio, call.settled_at is None) == ("conv_1", True, False)
    assert states() == [ReceiptStatus.APPLIED]
    check_rows()


def test_what_was_said_is_not_kept_in_the_event_as_well(bells: Bells) -> None:
    endpoint = make_endpoint()
    [call] = make_calls(endpoint)
    post(endpoint, transcription(call.call_id))
    bells.answer()
    assert WebhookReceipt.objects.get().body == ""


def test_an_event_that_comes_before_its_call_is_known_waits_for_it(bells: Bells) -> None:
    endpoint = make_endpoint()
    [call] = make_calls(endpoint)
    post(endpoint, audio("conv_9"))
    bells.answer()
    assert states() == [ReceiptStatus.WAITING]
    for _ in range(3):
        later(minutes=1)
        apply_receipts(endpoint.pk)
    assert states() == [ReceiptStatus.WAITING]
    apply_reports({call.pk: up(Phase.RINGING, conversation_id="conv_9")}, now=timezone.now())
    later(minutes=6)
    apply_receipts(endpoint.pk)
    call.refresh_from_db()
    assert (states(), call.has_audio, call.status) == ([ReceiptStatus.APPLIED], True, "in_progress")
    check_rows()


def test_an_event_that_names_no_call_of_ours_is_given_up_after_a_week(bells: Bells) -> None:
    endpoint = make_endpoint()
    post(endpoint, transcription("call_01jaaaaaaaaaaaaaaaaaaaaaaa"))
    later(days=6)
    apply_receipts(endpoint.pk)
    assert states() == [ReceiptStatus.WAITING]
    later(days=2)
    apply_receipts(endpoint.pk)
    receipt = WebhookReceipt.objects.get()
    assert (receipt.status, receipt.body, receipt.next_at) == (ReceiptStatus.IGNORED, "", None)


def test_a_waiting_event_is_looked_at_ever_more_rarely(bells: Bells) -> None:
    endpoint = make_endpoint()
    post(endpoint, audio("conv_9"))
    waits = []
    for _ in range(8):
        apply_receipts(endpoint.pk)
        receipt = WebhookReceipt.objects.get()
        assert receipt.next_at is not None
        waits.append(round((receipt.next_at - timezone.now()).total_seconds()))
        later(seconds=waits[-1] + 1)
    assert waits == sorted(waits)
    assert waits[-1] == 1800


@pytest.mark.parametrize("kind", ["voice_removal_notice", "post_call_something_new", ""])
def test_an_event_of_a_kind_that_says_nothing_to_us_is_put_away(bells: Bells, kind: str) -> None:
    endpoint = make_endpoint()
    post(endpoint, orjson.dumps({"type": kind, "data": {"conversation_id": "conv_1"}}))
    bells.answer()
    assert states() == [ReceiptStatus.IGNORED]


@pytest.mark.parametrize("data", [{}, {"conversation_id": "conv_1"}, {"status": "done"}, {"conversation_id": 7}])
def test_an_event_that_lacks_what_it_must_have_is_put_away(bells: Bells, data: dict[str, object]) -> None:
    endpoint = make_endpoint()
    post(endpoint, orjson.dumps({"type": "post_call_transcription", "data": data}))
    bells.answer()
    assert states() == [ReceiptStatus.IGNORED]


def test_an_event_of_one_account_never_touches_a_call_of_another(bells: Bells) -> None:
    [call] = make_calls(make_endpoint())
    apply_reports({call.pk: up(Phase.RINGING, conversation_id="conv_1")}, now=timezone.now())
    post(make_endpoint(), transcription(call.call_id, conversation_id="conv_1"))
    bells.answer()
    call.refresh_from_db()
    assert (call.status, states()) == ("ringing", [ReceiptStatus.WAITING])


def test_a_limit_of_the_account_that_an_event_tells_stops_the_run(bells: Bells) -> None:
    endpoint = make_endpoint()
    calls = make_calls(endpoint, 2)
    error = {"code": 3000, "reason": "[quota_exceeded]", "error_type": "call_initialization_error"}
    failed: dict[str, Any] = {"status": "failed", "transcript": [], "analysis": None, "metadata": {"error": error}}
    post(endpoint, transcription(calls[0].call_id, **failed))
    bells.answer("telephony.tasks.apply_receipts")
    run = Run.objects.get()
    assert (run.status, run.wait_reason, run.progress.pending) == (RunStatus.PAUSING, "quota_exhausted", 1)
    check_rows()


def test_hundreds_of_events_are_applied_by_few_bells(bells: Bells) -> None:
    endpoint = make_endpoint()
    endpoint.account.concurrency_limit = 110
    endpoint.account.save()
    bodies = [transcription(call.call_id, conversation_id=f"conv_{call.pk}") for call in make_calls(endpoint, 110)]
    for body in bodies[:3]:
        post(endpoint, body)
    WebhookReceipt.objects.bulk_create(
        WebhookReceipt(
            endpoint=endpoint,
            event_key=sha256(body).hexdigest(),
            kind="post_call_transcription",
            body=body.decode(),
            next_at=timezone.now(),
        )
        for body in bodies[3:]
    )
    assert bells.names().count("telephony.tasks.apply_receipts") == 1
    bells.answer("telephony.tasks.apply_receipts")
    assert set(states()) == {ReceiptStatus.APPLIED}
    assert Call.objects.filter(settled_at=None).count() == 0
    check_rows()


def test_several_events_about_one_call_are_all_applied_one_after_the_other_at_one_bell(bells: Bells) -> None:
    endpoint = make_endpoint()
    [call] = make_calls(endpoint)
    for length in range(5):
        post(endpoint, transcription(call.call_id, metadata={"call_duration_secs": 10 + length}))
    apply_receipts(endpoint.pk)
    call.refresh_from_db()
    assert (set(states()), call.duration_sec) == ({ReceiptStatus.APPLIED}, 14)
    check_rows()


@pytest.mark.parametrize("odd", ["conv\x00", "c" * 300])
def test_an_event_that_cannot_be_stored_does_not_hold_up_the_others(bells: Bells, odd: str) -> None:
    endpoint = make_endpoint()
    bad, good = make_calls(endpoint, 2)
    post(endpoint, transcription(bad.call_id, conversation_id=odd))
    post(endpoint, transcription(good.call_id))
    bells.answer()
    good.refresh_from_db()
    assert good.status == "done"
    assert states()[1] == ReceiptStatus.APPLIED
    later(days=8)
    apply_receipts(endpoint.pk)
    assert ReceiptStatus.WAITING not in states(), "it is tried for ever"


@pytest.mark.parametrize("seed", range(5))
def test_shuffled_and_doubled_events_give_the_same_rows(bells: Bells, seed: int) -> None:
    endpoint = make_endpoint()
    calls = make_calls(endpoint, 3)
    bodies = [
        body
        for call in calls
        for body in (
            transcription(call.call_id, conversation_id=f"conv_{call.pk}", status="processing", analysis=None),
            transcription(call.call_id, conversation_id=f"conv_{call.pk}"),
            audio(f"conv_{call.pk}"),
        )
    ]
    order = Random(seed).sample(bodies * 2, k=len(bodies) * 2)
    for body in order:
        post(endpoint, body)
        bells.answer()
    later(minutes=5)
    for _ in range(3):
        apply_receipts(endpoint.pk)
    rows = Call.objects.values_list("status", "outcome", "summary", "duration_sec", "disposition", "has_audio")
    assert set(rows) == {("done", "answered", "They agreed.", 42, "success", True)}
    assert WebhookReceipt.objects.count() == len(bodies)
    assert set(states()) == {ReceiptStatus.APPLIED}
    assert CallEvent.objects.filter(data__status="done").count() == 3
    check_rows()


def test_news_from_polling_and_from_events_may_cross(bells: Bells) -> None:
    endpoint = make_endpoint()
    [call] = make_calls(endpoint)
    post(endpoint, transcription(call.call_id))
    bells.answer()
    for report in LIFE[:4]:
        apply_reports({call.pk: report}, now=timezone.now())
    call.refresh_from_db()
    assert (call.status, call.summary, call.duration_sec) == ("done", "They agreed.", 42)
    check_rows()


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_one_endpoint_share_its_events_and_neither_waits() -> None:
    endpoint = make_endpoint()
    one, other = make_calls(endpoint, 2)
    post(endpoint, transcription(one.call_id))
    with rivals() as start:
        first = Open(start, _due, endpoint.pk, now=timezone.now(), most=1)
        post(endpoint, transcription(other.call_id, conversation_id="conv_2"))
        start(apply_receipts, endpoint.pk).result(10)
        assert states() == [ReceiptStatus.NEW, ReceiptStatus.APPLIED]
        first.commit()
    apply_receipts(endpoint.pk)
    assert states() == [ReceiptStatus.APPLIED, ReceiptStatus.APPLIED]
    check_rows()


def test_an_event_of_a_call_that_a_bridge_holds_waits_for_the_bridge(bells: Bells) -> None:
    endpoint = make_endpoint()
    [call] = make_calls(endpoint)
    held = VoiceSession.objects.create(call=call, bridge=None, kind=SessionKind.PHONE, opened_at=timezone.now())
    post(endpoint, transcription(call.call_id))
    bells.answer()
    call.refresh_from_db()
    assert (call.ended_at, states()) == (None, [ReceiptStatus.WAITING])
    end_sessions([held])
    later(minutes=1)
    apply_receipts(endpoint.pk)
    call.refresh_from_db()
    assert (call.status, call.outcome, call.reason) == ("failed", "error", "bridge_lost")
    assert (call.summary, call.settled_at is None, states()) == ("They agreed.", False, [ReceiptStatus.APPLIED])
    check_rows()
