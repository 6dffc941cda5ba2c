"""Events of calls that could not begin, and name no call of ours, or no reason: their conversation is asked at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import requests

from integrations.calls import CallReport, Outcome, Phase
from integrations.models import ReceiptStatus, WebhookReceipt
from telephony.dialer.records import take_in
from telephony.models import Call
from tests.bells import Bells
from tests.dialer.truth import check_rows
from tests.dialer.wire import Send, answer, over_the_wire
from tests.webhooks.events import make_calls, make_endpoint, post

pytestmark = pytest.mark.django_db
CONVERSATION = "conv_that_failed"


def failed(reason: str) -> bytes:
    """A call_initiation_failure as it comes: the conversation, and a reason that may be none."""
    data = {"agent_id": "agent_xyz", "conversation_id": CONVERSATION, "failure_reason": reason, "metadata": {}}
    return orjson.dumps({"type": "call_initiation_failure", "event_timestamp": 1_795_000_100, "data": data})


class Provider:
    """Knows one conversation, and counts how often it is asked about it."""

    def __init__(self) -> None:
        self.asked, self.call_id = 0, ""

    def handle(self, request: requests.PreparedRequest, _send: Send) -> requests.Response:
        assert request.path_url.endswith(CONVERSATION)
        self.asked += 1
        error = {"code": 404, "reason": "INVITE failed: sip status: 404: not found (SIP 404)"}
        metadata: dict[str, Any] = {"start_time_unix_secs": 1_795_000_000, "call_duration_secs": 0, "error": error}
        conversation = {"conversation_id": CONVERSATION, "agent_id": "agent_xyz", "user_id": self.call_id}
        return answer(request, 200, conversation | {"status": "failed", "transcript": [], "metadata": metadata})


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider()
    with over_the_wire(provider.handle):
        yield provider


@pytest.mark.parametrize("known", [False, True], ids=["a conversation nobody knew", "one we knew"])
def test_an_event_without_a_reason_has_its_conversation_asked_at_once(
    provider: Provider, bells: Bells, known: bool
) -> None:
    endpoint = make_endpoint()
    [call] = make_calls(endpoint)
    provider.call_id = call.call_id
    if known:
        take_in({call.pk: CallReport(phase=Phase.RINGING, conversation_id=CONVERSATION)}, now=call.created_at)
    post(endpoint, failed("unknown"))
    bells.answer("telephony.tasks.apply_receipts")
    call.refresh_from_db()
    assert (call.outcome, call.reason, call.conversation_id) == (Outcome.INVALID_NUMBER, "sip_404", CONVERSATION)
    assert provider.asked == 1
    assert set(WebhookReceipt.objects.values_list("status", flat=True)) == {ReceiptStatus.APPLIED}
    check_rows()


def test_an_event_that_says_why_asks_nobody(provider: Provider, bells: Bells) -> None:
    endpoint = make_endpoint()
    [call] = make_calls(endpoint)
    take_in({call.pk: CallReport(phase=Phase.RINGING, conversation_id=CONVERSATION)}, now=call.created_at)
    post(endpoint, failed("busy"))
    bells.answer("telephony.tasks.apply_receipts")
    assert Call.objects.get().outcome == Outcome.BUSY
    assert provider.asked == 0
