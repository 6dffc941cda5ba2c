"""What we did not start, found by reading an account's list of conversations: once, live, and to its end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import requests
from django.utils import timezone

from agents.checkup import check_agent
from integrations.models import Account, ElevenLabsKey, KeyStatus
from telephony.dialer.advance import advance_run
from telephony.dialer.sweep import sweep
from telephony.inbound import look as looking
from telephony.models import Call, CallEvent, CallStatus, Direction
from tests.bells import Bells
from tests.dialer.clock import later
from tests.dialer.provider import Provider, finish
from tests.dialer.threads import eventually
from tests.dialer.truth import check_rows
from tests.dialer.wire import Send, answer, counting, over_the_wire
from tests.factories import make_key
from tests.inbound.house import AGENT, CALLER, OTHER_AGENT, House, add_number, move_in, only_call

pytestmark = pytest.mark.django_db
ONE = "/v1/convai/conversations/"
LIST = "/v1/convai/conversations?"
STILL_UP: dict[str, Any] = {"status": "in-progress", "transcript": [], "analysis": None, "has_audio": False}


def told(call: Call) -> list[str]:
    events = CallEvent.objects.filter(call=call).order_by("pk")
    return [event.data.get("status", event.type) for event in events]


def live(request: requests.PreparedRequest, send: Send) -> requests.Response:
    """The conversation as it was while people talked."""
    if ONE not in str(request.url):
        return send(request)
    conversation: dict[str, Any] = send(request).json() | STILL_UP
    conversation["metadata"]["call_duration_secs"] = 0
    return answer(request, 200, conversation)


def test_somebody_who_rang_is_in_the_journal_with_all_that_was_said(house: House) -> None:
    conversation_id = house.rings_and_talks()
    house.look()
    call = only_call()
    assert (call.workspace_id, call.conversation_id, call.subscriber_phone) == (
        house.workspace.pk,
        conversation_id,
        CALLER,
    )
    assert (call.pbx_node, call.phone_node, call.agent_node) == (house.pbx, house.phone, house.agent)
    assert (call.direction, call.status, call.outcome) == (Direction.INBOUND, CallStatus.DONE, "answered")
    assert (call.duration_sec, call.disposition, call.has_audio) == (30, "success", True)
    assert call.settled_at is not None
    assert (call.run, call.recipient, call.chunk) == (None, None, None)
    assert call.call_id.startswith("call_")
    assert "agent" in call.transcript
    assert told(call) == ["done", "conversation", "transcript", "summary", "disposition", "audio", "settled"]
    check_rows()


def test_looking_again_finds_nothing_new_and_asks_nothing(house: House) -> None:
    house.rings_and_talks()
    house.look()
    version = only_call().version
    with counting(at=ONE) as asked:
        house.look()
        house.look()
    assert asked == []
    assert only_call().version == version


def test_a_call_is_seen_while_people_talk_and_settled_when_they_have_talked(house: House) -> None:
    house.rings_and_talks()
    with over_the_wire(live):
        house.look()
        house.look()
    call = only_call()
    assert (call.status, call.outcome, call.settled_at) == (CallStatus.IN_PROGRESS, "", None)
    assert call.answered_at is not None
    house.look()
    call.refresh_from_db()
    assert (call.status, call.duration_sec, call.settled_at is None) == (CallStatus.DONE, 30, False)
    assert told(call)[:3] == ["in_progress", "conversation", "done"]
    check_rows()


def test_a_call_that_is_never_heard_of_again_does_not_stay_up_for_ever(house: House) -> None:
    house.provider.script([CALLER], outcome="stuck")
    house.comes_to(house.ring(), "in-progress")
    house.look()
    later(minutes=20)
    house.look()
    assert only_call().status == CallStatus.IN_PROGRESS  # ten minutes of talk and some to spare
    later(minutes=2)
    house.look()
    assert (only_call().status, only_call().reason) == (CallStatus.FAILED, "lost_sight")
    check_rows()


def test_a_call_ends_although_no_key_is_left_to_ask_with(house: House) -> None:
    house.rings_and_talks()
    with over_the_wire(live):
        house.look()
    ElevenLabsKey.objects.all().delete()
    later(minutes=22)
    house.look()
    assert only_call().status == CallStatus.FAILED
    check_rows()


def test_a_provider_that_is_down_ends_nothing_before_a_day(house: House) -> None:
    house.rings_and_talks()
    with over_the_wire(live):
        house.look()
    house.provider.faults({"fault": "service_unavailable", "endpoint": "conversations.*"})
    later(hours=23)
    house.look()
    assert only_call().status == CallStatus.IN_PROGRESS
    later(hours=2)
    house.look()
    assert only_call().status == CallStatus.FAILED
    house.provider.faults()


def test_a_caller_who_was_refused_for_credits_is_a_failed_call_that_says_so(house: House) -> None:
    house.provider.faults({"fault": "out_of_credits", "number": CALLER})
    house.rings_and_talks()
    house.look()
    assert (only_call().status, only_call().reason) == (CallStatus.FAILED, "quota_exhausted")
    check_rows()


def test_a_caller_without_a_number_is_a_call_all_the_same(house: House) -> None:
    house.provider.script(["anonymous"], outcome="answered", talk_secs=5)
    house.rings_and_talks(caller="anonymous")
    house.look()
    assert (only_call().subscriber_phone, only_call().status) == ("", CallStatus.DONE)


def test_a_call_placed_from_elevenlabs_pages_is_outbound(house: House) -> None:
    house.provider.script(["+15550100177"], outcome="answered", talk_secs=5)
    house.comes_to(house.ring_out("+15550100177"))
    house.look()
    call = only_call()
    assert (call.direction, call.subscriber_phone, call.phone_node) == (Direction.OUTBOUND, "+15550100177", house.phone)
    check_rows()


def test_a_call_that_bears_an_id_of_ours_which_is_not_here_is_somebody_elses(house: House) -> None:
    house.provider.script(["+15550100178"], outcome="answered", talk_secs=5)
    house.comes_to(house.ring_out("+15550100178", user_id="call_01jaaaaaaaaaaaaaaaaaaaaaaa"))
    with counting(at=ONE) as asked:
        house.look()
        house.look()
    assert len(asked) == 1
    assert not Call.objects.exists()


def test_trying_an_agent_out_is_no_call(house: House) -> None:
    assert all(check.ok for check in check_agent(workspace=house.workspace, elevenlabs_agent_id=AGENT).checks)
    house.rings_and_talks()
    with counting(at=ONE) as asked:
        house.look()
    assert len(asked) == 2
    assert only_call().direction == Direction.INBOUND


def test_an_agent_and_a_number_that_nobody_here_has_are_no_call_and_asked_about_once(house: House) -> None:
    other = add_number(house.provider, "+15550100101")
    house.rings_and_talks(phone_number_id=other, agent_id=OTHER_AGENT)
    with counting(at=ONE) as asked:
        house.look()
        house.look()
    assert len(asked) == 1
    assert not Call.objects.exists()


def test_two_workspaces_of_one_account_have_each_its_own_calls(house: House) -> None:
    neighbour = move_in(house.provider, number="+15550100102", agent_id=OTHER_AGENT)
    mine, theirs = house.rings_and_talks(), neighbour.rings_and_talks(agent_id=OTHER_AGENT)
    house.look()
    assert [call.conversation_id for call in house.workspace.calls.all()] == [mine]
    assert [call.conversation_id for call in neighbour.workspace.calls.all()] == [theirs]
    assert neighbour.workspace.calls.get().agent_node == neighbour.agent
    check_rows()


def test_a_campaigns_conversations_are_never_calls_of_their_own(provider: Provider, bells: Bells) -> None:
    house = move_in(provider)
    run = provider.campaign(workspace=house.workspace, max_concurrent=3)
    provider.script(run.recipients.values_list("number", flat=True), outcome="answered", talk_secs=20)
    advance_run(run.pk)
    eventually(lambda: len(provider.placed()) == 3)
    house.look()  # the campaign knows none of its conversations yet
    later(minutes=5)
    Account.objects.update(conversations_known_until=timezone.now() - timedelta(minutes=5))
    house.look()
    finish(bells, run)
    house.look()
    assert Call.objects.count() == 3
    assert not Call.objects.filter(run=None).exists()
    check_rows()


def test_what_was_before_the_account_is_not_taken_over(house: House) -> None:
    house.rings_and_talks()
    Account.objects.update(conversations_known_until=timezone.now() + timedelta(seconds=3))
    house.look()
    assert not Call.objects.exists()


def test_an_account_that_had_no_key_for_a_year_begins_anew(house: House) -> None:
    house.rings_and_talks()
    ElevenLabsKey.objects.all().delete()
    began = timezone.now() + timedelta(seconds=3)
    Account.objects.filter(pk=house.account.pk).update(next_look_at=timezone.now() - timedelta(days=365))
    house.look()
    Account.objects.update(conversations_known_until=began)
    house.provider.key(house.workspace)
    house.look()
    assert not Call.objects.exists()


def test_nothing_is_left_behind_where_there_is_more_than_one_look_can_ask(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "MOST_ASKED", 1)
    monkeypatch.setattr(looking, "SIDE_BY_SIDE", 1)
    for _ in range(4):
        house.rings_and_talks()
    seen = []
    for _ in range(3):
        house.look()
        seen.append(Call.objects.count())
        due = Account.objects.get(pk=house.account.pk).next_look_at
        assert due is not None
        seen.append(int(due < timezone.now() + timedelta(seconds=2)))
    assert seen == [2, 1, 4, 0, 4, 0]
    check_rows()


def test_nothing_is_left_behind_where_the_list_is_longer_than_one_look_reads(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "MOST_LISTED", 2)
    for _ in range(2):
        house.rings_and_talks()
    Account.objects.update(conversations_known_until=timezone.now() - timedelta(minutes=30))
    before = house.known_until()
    house.look()
    assert house.known_until() > before
    assert house.known_until() <= timezone.now()
    assert Call.objects.count() == 2


def test_what_lately_began_is_listed_again_as_the_list_may_show_it_late(house: House) -> None:
    Account.objects.update(conversations_known_until=timezone.now() - timedelta(minutes=30))
    house.look()
    assert timezone.now() - timedelta(minutes=11) < house.known_until() < timezone.now() - timedelta(minutes=9)
    house.look()
    house.rings_and_talks()
    house.look()
    assert Call.objects.count() == 1


def test_one_that_does_not_say_yet_where_it_is_from_is_asked_about_again(house: House) -> None:
    house.rings_and_talks()
    Account.objects.update(conversations_known_until=timezone.now() - timedelta(minutes=30))

    def untold(request: requests.PreparedRequest, send: Send) -> requests.Response:
        response = live(request, send)
        if ONE not in str(request.url):
            return response
        conversation = response.json()
        conversation["metadata"]["phone_call"] = None
        return answer(request, 200, conversation)

    with over_the_wire(untold):
        house.look()
    assert not Call.objects.exists()
    house.look()
    assert only_call().phone_node == house.phone


def test_an_outage_loses_nothing(house: House) -> None:
    house.rings_and_talks()
    before = house.known_until()
    for endpoint in ("conversations.list", "conversations.get"):
        house.provider.faults({"fault": "internal_error", "endpoint": endpoint})
        house.look()
        assert house.known_until() == before
        assert not Call.objects.exists()
    house.provider.faults()
    house.look()
    assert Call.objects.count() == 1


def test_one_that_cannot_be_read_hides_nothing_of_the_others(house: House) -> None:
    first, second = house.rings_and_talks(), house.rings_and_talks()

    def broken(request: requests.PreparedRequest, send: Send) -> requests.Response:
        return answer(request, 500, {}) if first in str(request.url) else send(request)

    with over_the_wire(broken):
        house.look()
    assert only_call().conversation_id == second
    house.look()
    assert Call.objects.count() == 2
    check_rows()


def test_a_provider_that_asks_for_patience_has_it(house: House) -> None:
    house.provider.faults({"fault": "rate_limit_exceeded", "endpoint": "conversations.list", "retry_after": 300})
    house.look()
    due = Account.objects.get(pk=house.account.pk).next_look_at
    assert due is not None
    assert timedelta(seconds=290) < due - timezone.now() < timedelta(seconds=310)


def test_a_refused_key_is_marked_and_another_of_the_account_looks(house: House) -> None:
    house.rings_and_talks()
    refused = make_key(workspace=house.workspace, account=house.account, key="sk_invalid_1")
    house.look()
    refused.refresh_from_db()
    assert refused.status == KeyStatus.REFUSED
    assert Call.objects.count() == 1


def test_a_key_that_may_not_read_conversations_stays_and_is_seldom_tried(house: House) -> None:
    house.provider.faults({"fault": "missing_permissions", "endpoint": "conversations.list"})
    house.look()
    account = Account.objects.get(pk=house.account.pk)
    assert account.next_look_at is not None
    assert account.next_look_at > timezone.now() + timedelta(minutes=9)
    assert ElevenLabsKey.objects.get().status == KeyStatus.WORKING


def test_the_sweep_has_an_account_looked_at_once_in_its_time(house: House, bells: Bells) -> None:
    house.rings_and_talks()
    Account.objects.filter(pk=house.account.pk).update(next_look_at=timezone.now())
    with counting(at=LIST) as listed:
        sweep(now=timezone.now())
        assert bells.names() == ["telephony.tasks.look_at_conversations"]
        looking.look(house.account.pk)
        bells.answer()
        sweep(now=timezone.now())
        assert bells.names() == []
    assert len(listed) == 1
    assert Call.objects.count() == 1
    due = Account.objects.get(pk=house.account.pk).next_look_at
    assert due is not None
    assert timedelta(seconds=55) < due - timezone.now() <= timedelta(seconds=60)
