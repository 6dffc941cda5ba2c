"""What is posted to us: signed or refused, stored once, answered at once, never a 500."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from threading import Barrier

import orjson
import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations.elevenlabs.signature import sign
from integrations.models import ReceiptStatus, WebhookEndpoint, WebhookReceipt
from tests.bells import Bells
from tests.dialer.threads import rivals
from tests.webhooks.events import SECRET, make_calls, make_endpoint, post, transcription

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.django_db
def test_a_signed_event_is_stored_and_its_bell_is_rung(bells: Bells) -> None:
    endpoint, body = make_endpoint(), transcription("call_1")
    response = post(endpoint, body)
    assert (response.status_code, orjson.loads(response.content)) == (200, {"status": "stored"})
    receipt = WebhookReceipt.objects.get()
    assert (receipt.kind, receipt.conversation_id, receipt.body) == (
        "post_call_transcription",
        "conv_1",
        body.decode(),
    )
    assert (receipt.status, receipt.next_at is not None) == (ReceiptStatus.NEW, True)
    assert [(bell.name, bell.args) for bell in bells.rung] == [("telephony.tasks.apply_receipts", [endpoint.pk])]


@pytest.mark.django_db
@pytest.mark.parametrize("age", [timedelta(), timedelta(minutes=29), timedelta(minutes=-4)])
def test_an_event_on_its_way_for_a_while_is_taken(age: timedelta) -> None:
    assert post(make_endpoint(), transcription(), age=age).status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("age", [timedelta(minutes=31), timedelta(days=3), timedelta(minutes=-6)])
def test_a_signature_that_is_too_old_or_of_the_future_is_refused(age: timedelta) -> None:
    assert post(make_endpoint(), transcription(), age=age).status_code == 401
    assert not WebhookReceipt.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "signature",
    [
        "",
        "t=1,v0=00",
        "v0=abc",
        "nonsense",
        "t=,v0=",
        "t=99999999999999999999,v0=00",
        "t=1795000000,v0=é",
        "t=1,t=2,v0=00",
    ],
)
def test_an_event_that_elevenlabs_did_not_sign_is_refused(signature: str) -> None:
    response = post(make_endpoint(), transcription(), signature=signature)
    assert response.status_code == 401
    assert b"signature" in response.content
    assert not WebhookReceipt.objects.exists()


@pytest.mark.django_db
def test_another_secret_another_body_and_another_address_are_refused() -> None:
    endpoint, body = make_endpoint(), transcription()
    assert post(endpoint, body, secret="whsec_another").status_code == 401
    assert post(endpoint, body + b" ", signature=sign(body, SECRET, now=timezone.now())).status_code == 401
    endpoint.public_id = "hook_unknown"
    assert post(endpoint, body).status_code == 404
    assert not WebhookReceipt.objects.exists()


@pytest.mark.django_db
def test_an_endpoint_whose_secret_was_never_learned_takes_nothing() -> None:
    endpoint = make_endpoint(secret="")
    assert post(endpoint, transcription(), secret="").status_code == 401
    assert post(endpoint, transcription()).status_code == 401


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["%00", "a%00b", "..", "hook_x/y", "é", "a" * 5000])
def test_an_odd_address_is_not_found(path: str) -> None:
    assert Client().post(f"/webhooks/elevenlabs/{path}", b"{}", content_type="application/json").status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "head"])
def test_events_are_posted(method: str) -> None:
    path = f"/webhooks/elevenlabs/{make_endpoint().public_id}"
    assert getattr(Client(), method)(path).status_code == 405


@pytest.mark.django_db
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"type": "x"}',
        b'{"type": 1, "data": {}}',
        b'{"type": "x", "data": []}',
        b'{"type": "x", "data": null}',
        b'{"type": "x\x00", "data": {}}',
        b'{"type": "x", "data": {"a": "\xff\xfe"}}',
        b'{"type": "x", "data": {"a": "\\ud83d"}}',
        b"[" * 5000,
        b'{"type": "x", "data": ' + b'{"a":' * 3000 + b"1" + b"}" * 3000 + b"}",
    ],
    ids=range(15),
)
def test_a_signed_body_that_is_no_event_is_answered_and_not_stored(body: bytes) -> None:
    response = post(make_endpoint(), body)
    assert response.status_code == 400
    assert not WebhookReceipt.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "conversation_id", ["", None, 7, {}, "x" * 101, "a\\u0000b", "line\\nbreak"], ids=lambda value: str(value)[:9]
)
def test_a_conversation_id_that_cannot_be_one_is_left_out(bells: Bells, conversation_id: object) -> None:
    endpoint = make_endpoint()
    text = orjson.dumps(conversation_id).replace(b"\\\\", b"\\")
    assert post(endpoint, b'{"type": "post_call_audio", "data": {"conversation_id": %b}}' % text).status_code == 200
    assert WebhookReceipt.objects.get().conversation_id == ""
    bells.answer()


@pytest.mark.django_db
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    kind=st.sampled_from(["post_call_transcription", "post_call_audio", "call_initiation_failure"]) | st.text(),
    data=JSON,
    changes=st.dictionaries(
        st.sampled_from(["status", "metadata", "analysis", "transcript", "user_id", "conversation_id", "has_audio"]),
        JSON,
        max_size=3,
    ),
)
def test_whatever_is_signed_is_stored_or_refused_and_does_not_stop_a_worker(
    bells: Bells, kind: str, data: object, changes: dict[str, object]
) -> None:
    endpoint = make_endpoint()
    [call] = make_calls(endpoint)
    usual = orjson.loads(transcription(call.call_id))["data"]
    sent = usual | changes if changes else data
    try:
        body = orjson.dumps({"type": kind, "data": sent})
    except TypeError:  # an integer beyond 64 bits, half a surrogate pair: not JSON for orjson
        return
    assert post(endpoint, body).status_code in {200, 400}
    good = transcription(call.call_id, conversation_id="conv_good")
    assert post(endpoint, good).status_code == 200
    bells.answer()
    call.refresh_from_db()
    assert call.ended_at is not None, "an odd event kept the others from being applied"


@pytest.mark.django_db
def test_a_secret_that_was_changed_elsewhere_this_moment_is_the_one_that_counts(bells: Bells) -> None:
    endpoint = make_endpoint()
    assert post(endpoint, transcription()).status_code == 200
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(secret="whsec_new")
    assert post(endpoint, transcription(conversation_id="conv_2"), secret="whsec_new").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_an_endpoint_that_was_deleted_elsewhere_this_moment_takes_nothing_more(bells: Bells) -> None:
    endpoint = make_endpoint()
    assert post(endpoint, transcription()).status_code == 200
    with connection.cursor() as cursor:  # nothing in this process hears of it
        cursor.execute("DELETE FROM integrations_webhookreceipt")
        cursor.execute("DELETE FROM integrations_webhookendpoint")
    assert post(endpoint, transcription(conversation_id="conv_2")).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_one_event_that_arrives_eight_times_at_once_is_stored_once(bells: Bells) -> None:
    endpoint, body, together = make_endpoint(), transcription(), Barrier(8)

    def arrive() -> int:
        together.wait(10)
        return post(endpoint, body).status_code

    with rivals() as start:
        answers = [start(arrive) for _ in range(8)]
        assert Counter(answer.result(20) for answer in answers) == {200: 8}
    assert WebhookReceipt.objects.count() == 1


@pytest.mark.django_db
def test_an_event_that_comes_again_after_it_was_applied_is_answered_and_changes_nothing(bells: Bells) -> None:
    endpoint = make_endpoint()
    [call] = make_calls(endpoint)
    body = transcription(call.call_id)
    post(endpoint, body)
    bells.answer()
    call.refresh_from_db()
    version = call.version
    assert post(endpoint, body).status_code == 200
    bells.answer()
    call.refresh_from_db()
    assert (call.version, WebhookReceipt.objects.count()) == (version, 1)


@pytest.mark.django_db
def test_the_same_event_at_two_endpoints_is_two_events() -> None:
    body = transcription()
    for endpoint in (make_endpoint(), make_endpoint()):
        assert post(endpoint, body).status_code == 200
    assert WebhookReceipt.objects.count() == 2
