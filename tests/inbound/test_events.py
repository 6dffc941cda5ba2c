"""What we did not start, told by webhooks: alone, doubled, beside the list, and where it is nobody's here."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from django.utils import timezone

from integrations.models import ReceiptStatus, WebhookReceipt
from telephony.inbound.arrivals import begin_calls, lock_account
from telephony.models import Call, CallStatus, Direction
from telephony.webhooks.inbox import apply_receipts
from tests.bells import Bells
from tests.dialer.clock import later
from tests.dialer.threads import Open, eventually, rivals, somebody_waits
from tests.dialer.truth import check_rows
from tests.factories import make_workspace
from tests.inbound.house import AGENT, CALLER, House, move_in, only_call
from tests.inbound.reports import report
from tests.simulator.helpers import Listener
from tests.webhooks.events import SECRET, post, transcription
from tests.webhooks.test_either_way import listen, pass_on

pytestmark = pytest.mark.django_db
Json = dict[str, Any]


def states() -> list[str]:
    return list(WebhookReceipt.objects.order_by("pk").values_list("status", flat=True))


def by_phone(house: House, **changes: Any) -> Json:
    phone_call = {
        "type": "twilio",
        "direction": "inbound",
        "phone_number_id": house.phone_number_id,
        "agent_number": "+15550100100",
        "external_number": CALLER,
    }
    metadata = {"start_time_unix_secs": 1_795_000_000, "call_duration_secs": 42, "phone_call": phone_call | changes}
    return {"metadata": metadata}


def test_an_event_alone_makes_the_call(house: House, listener: Listener, bells: Bells) -> None:
    endpoint = listen(house.provider, listener)
    conversation_id = house.rings_and_talks()
    eventually(lambda: bool(listener.heard))
    pass_on(endpoint, listener)
    bells.answer()
    call = only_call()
    assert (call.conversation_id, call.status, call.direction) == (conversation_id, CallStatus.DONE, Direction.INBOUND)
    assert (call.duration_sec, call.phone_node, call.pbx_node) == (30, house.phone, house.pbx)
    assert call.settled_at is not None
    assert set(states()) == {ReceiptStatus.APPLIED}
    check_rows()


def test_doubled_events_and_the_list_beside_them_make_one_call(house: House, listener: Listener, bells: Bells) -> None:
    endpoint = listen(house.provider, listener)
    house.provider.faults({"fault": "webhook_doubled"})
    for _ in range(3):
        house.rings_and_talks()
    house.look()
    eventually(lambda: len(listener.heard) >= 6)
    pass_on(endpoint, listener)
    bells.answer()
    later(minutes=1)
    apply_receipts(endpoint.pk)
    house.look()
    assert Call.objects.count() == 3
    assert set(states()) == {ReceiptStatus.APPLIED}
    check_rows()


def test_lost_events_are_made_good_by_the_list(house: House, listener: Listener, bells: Bells) -> None:
    endpoint = listen(house.provider, listener)
    house.provider.faults({"fault": "webhook_dropped", "times": 2})
    ids = {house.rings_and_talks() for _ in range(3)}
    eventually(lambda: bool(listener.heard))
    pass_on(endpoint, listener)
    bells.answer()
    assert Call.objects.count() == 1
    house.look()
    assert {call.conversation_id for call in Call.objects.all()} == ids
    check_rows()


def test_the_event_and_the_list_at_once_make_one_call(transactional_db: None, house: House) -> None:
    told = report(phone_number_id=house.phone_number_id)

    def begin_slowly() -> set[str]:
        return begin_calls(house.account.pk, [told], now=timezone.now())

    with rivals() as start:
        first = Open(start, begin_slowly)
        second = start(begin_slowly)
        somebody_waits()
        first.commit()
        assert second.result(10) == {told.conversation_id}
    only_call()
    check_rows()


def test_whoever_begins_calls_waits_for_the_account(transactional_db: None, house: House) -> None:
    told = report(phone_number_id=house.phone_number_id)
    with rivals() as start:
        holder = Open(start, lock_account, house.account.pk)
        waiting = start(begin_calls, house.account.pk, [told], now=timezone.now())
        somebody_waits()
        assert not Call.objects.exists()
        holder.commit()
        waiting.result(10)
    assert Call.objects.count() == 1


def test_a_browser_widget_is_a_web_call_of_its_agent(house: House, bells: Bells) -> None:
    endpoint = house.provider.endpoint(secret=SECRET)
    post(endpoint, transcription(agent_id=AGENT))
    bells.answer()
    call = only_call()
    assert (call.direction, call.subscriber_phone, call.status) == (Direction.WEB, "", CallStatus.DONE)
    assert (call.agent_node, call.phone_node, call.pbx_node) == (house.agent, None, None)
    assert call.ended_at is not None
    assert call.ended_at <= timezone.now()
    check_rows()


def test_two_events_of_one_new_conversation_are_one_call(house: House, bells: Bells) -> None:
    endpoint = house.provider.endpoint(secret=SECRET)
    post(endpoint, transcription(**by_phone(house)))
    post(endpoint, transcription(**by_phone(house), tag_ids=["another body"]))
    bells.answer()
    apply_receipts(endpoint.pk)
    only_call()
    assert states() == [ReceiptStatus.APPLIED] * 2
    check_rows()


@pytest.mark.parametrize("kind", ["post_call_audio", "call_initiation_failure"])
def test_an_event_that_does_not_tell_whose_call_it_is_makes_none(house: House, bells: Bells, kind: str) -> None:
    endpoint = house.provider.endpoint(secret=SECRET)
    data = {"agent_id": AGENT, "conversation_id": "conv_1", "failure_reason": "busy", "full_audio": "SUQz"}
    post(endpoint, orjson.dumps({"type": kind, "event_timestamp": 1, "data": data}))
    bells.answer()
    assert not Call.objects.exists()
    assert states() == [ReceiptStatus.WAITING]


def test_an_event_that_is_nobodys_waits_and_becomes_a_call_when_its_agent_is_adopted(
    house: House, bells: Bells
) -> None:
    endpoint = house.provider.endpoint(secret=SECRET)
    post(endpoint, transcription(agent_id="agent_of_nobody"))
    bells.answer()
    assert (Call.objects.count(), states()) == (0, [ReceiptStatus.WAITING])
    house.agent.agent.elevenlabs_agent_id = "agent_of_nobody"
    house.agent.agent.save()
    later(minutes=1)
    apply_receipts(endpoint.pk)
    assert only_call().agent_node == house.agent
    assert states() == [ReceiptStatus.APPLIED]


def test_an_event_that_bears_an_id_of_ours_which_is_not_here_waits(house: House, bells: Bells) -> None:
    endpoint = house.provider.endpoint(secret=SECRET)
    post(endpoint, transcription("call_01jaaaaaaaaaaaaaaaaaaaaaaa", **by_phone(house)))
    bells.answer()
    assert (Call.objects.count(), states()) == (0, [ReceiptStatus.WAITING])


def test_events_reach_the_workspace_that_has_the_number(house: House, bells: Bells) -> None:
    neighbour = move_in(house.provider, workspace=make_workspace("Next door"), number="+15550100103")
    endpoint = house.provider.endpoint(secret=SECRET)
    post(endpoint, transcription(**by_phone(neighbour)))
    post(endpoint, transcription(**by_phone(house), conversation_id="conv_2"))
    bells.answer()
    assert [call.conversation_id for call in neighbour.workspace.calls.all()] == ["conv_1"]
    assert [call.conversation_id for call in house.workspace.calls.all()] == ["conv_2"]
    check_rows()


def test_one_that_cannot_be_stored_keeps_none_of_the_others_out(house: House, bells: Bells) -> None:
    endpoint = house.provider.endpoint(secret=SECRET)
    post(endpoint, transcription(**by_phone(house), conversation_id="a conversation\x7f" * 20))
    post(endpoint, transcription(**by_phone(house, phone_number_id="phnum\x00")))
    bells.answer()
    assert only_call().conversation_id == "conv_1"
    check_rows()
