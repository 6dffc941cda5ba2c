"""Ends heard before they are told: a line is free as soon as its conversation is over, analysed or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from random import Random
from typing import Any

import pytest
import requests
from django.utils import timezone

from integrations.calls import Outcome, VoiceStack
from integrations.models import ElevenLabsKey, KeyStatus
from telephony.dialer.advance import advance_run
from telephony.dialer.chunks import advance_chunk
from telephony.dialer.ends import AT_ONCE, hear_ends, listen
from telephony.models import Call, CallStatus, Pacing, Run, RunStatus
from tests.bells import Bells
from tests.dialer.clock import now_due
from tests.dialer.memory import TOO_FAST, Memory, Talk
from tests.dialer.threads import rivals
from tests.dialer.truth import check_rows
from tests.dialer.wire import Send, answer, holding, over_the_wire
from tests.factories import make_key, make_run, make_workspace

pytestmark = pytest.mark.django_db
LIST, DETAILS = "/v1/convai/conversations?", "/v1/convai/conversations/"
OUTBOUND = {"direction": "outbound", "phone_number_id": "phnum_1"}
NUMBERS = ("+15550100123", "+15550100124", "+15550100125")


class Likeliest(Random):
    """Everything goes as it goes most of the time: people answer."""

    def choice(self, seq: Any) -> Any:
        return seq[0]


class Wire:
    """A provider in memory, and what it was asked."""

    def __init__(self) -> None:
        self.memory, self.asked, self.refuses = Memory(), list[str](), "nothing"

    def handle(self, request: requests.PreparedRequest, send: Send) -> requests.Response:
        self.asked.append(request.path_url)
        if request.headers["xi-api-key"] == "sk_may_not_read":
            return answer(request, 401, {"detail": {"status": "missing_permissions", "message": "convai_read"}})
        if self.refuses in request.path_url:
            return answer(request, 429, {"detail": TOO_FAST})
        return self.memory.handle(request, send)

    def lists(self) -> int:
        return sum(LIST in path for path in self.asked)

    def reads(self) -> int:
        return sum(DETAILS in path for path in self.asked)

    def talk(self, talk: Talk, *, until: str) -> None:
        while talk.conversation is None or talk.conversation["status"] != until:
            self.memory.move(talk, Likeliest(1))


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    with over_the_wire(wire.handle):
        yield wire


def make_talking_run(wire: Wire, *, numbers: Sequence[str] = NUMBERS, lines: int = 1, **fields: Any) -> Run:
    """As many as there are lines have answered, and are known to talk; the other numbers wait."""
    defaults: dict[str, Any] = {"max_concurrent": lines, "pacing": Pacing.CONTINUOUS}
    run = make_run(workspace=make_workspace(), numbers=numbers, **(defaults | fields))
    advance_run(run.pk)
    for talk in wire.memory.talks:
        wire.talk(talk, until="in-progress")
    ask(run)
    assert all(call.status == CallStatus.IN_PROGRESS for call in run.calls.all())
    return run


def ask(run: Run) -> None:
    """The run's chunks are polled."""
    now_due()
    for chunk_id in run.chunks.values_list("pk", flat=True):
        advance_chunk(chunk_id)


def test_a_conversation_that_is_over_frees_its_line_before_it_is_analysed(wire: Wire, bells: Bells) -> None:
    run = make_talking_run(wire)
    wire.talk(wire.memory.talks[0], until="processing")
    bells.clear()
    listen()
    bells.answer()
    first, second = run.calls.order_by("pk")
    assert (first.status, first.outcome, first.settled_at) == (CallStatus.DONE, Outcome.ANSWERED, None)
    assert first.transcript != "[]"
    assert second.ended_at is None
    assert [talk.number for talk in wire.memory.talks] == list(NUMBERS[:2]), "the next number is on its way"
    check_rows()


def test_what_is_told_later_settles_it_and_changes_nothing_else(wire: Wire) -> None:
    run = make_talking_run(wire)
    wire.talk(wire.memory.talks[0], until="processing")
    hear_ends(run.account_id)
    before = run.calls.get()
    wire.talk(wire.memory.talks[0], until="done")
    ask(run)
    after = run.calls.get()
    assert after.settled_at is not None
    assert (after.status, after.outcome, after.ended_at) == (before.status, before.outcome, before.ended_at)
    check_rows()


@pytest.mark.parametrize(
    ("over", "then", "outcome"),
    [
        ({"transcript": [], "metadata": {"call_duration_secs": 0}}, "no_answer", Outcome.NO_ANSWER),
        ({"metadata": {"call_duration_secs": 20, "phone_call": OUTBOUND}}, "voicemail", Outcome.VOICEMAIL),
    ],
    ids=["nobody was heard", "it may have been a mailbox"],
)
def test_what_leaves_open_how_it_ended_waits_until_that_is_told_and_is_read_once(
    wire: Wire, over: dict[str, Any], then: str, outcome: Outcome
) -> None:
    run = make_talking_run(wire)
    [talk] = wire.memory.talks
    wire.talk(talk, until="processing")
    assert talk.conversation is not None
    talk.conversation["metadata"] |= over.pop("metadata")
    talk.conversation |= over
    for _ in range(3):
        hear_ends(run.account_id)
    assert wire.reads() <= 1
    assert run.calls.get().ended_at is None
    talk.status, talk.conversation["status"] = "failed", "failed"
    talk.conversation["metadata"]["phone_call"] = {**OUTBOUND, "call_result": then}
    ask(run)
    assert run.calls.get().outcome == outcome


def test_a_mailbox_that_is_known_to_be_one_frees_its_line_as_what_it_was(wire: Wire) -> None:
    run = make_talking_run(wire)
    [talk] = wire.memory.talks
    wire.talk(talk, until="processing")
    assert talk.conversation is not None
    talk.conversation["metadata"]["phone_call"] = {**OUTBOUND, "call_result": "voicemail"}
    hear_ends(run.account_id)
    assert run.calls.get().outcome == Outcome.VOICEMAIL


def test_many_that_end_at_once_are_read_in_rounds(wire: Wire) -> None:
    lines = AT_ONCE + 2
    run = make_talking_run(wire, numbers=[f"+155501001{place:02}" for place in range(lines + 1)], lines=lines)
    for talk in wire.memory.talks:
        wire.talk(talk, until="processing")
    hear_ends(run.account_id)
    assert run.calls.exclude(ended_at=None).count() == AT_ONCE
    hear_ends(run.account_id)
    assert run.calls.exclude(ended_at=None).count() == lines
    assert wire.reads() == lines


def test_a_refusal_to_tell_of_one_loses_no_other_and_is_heeded(wire: Wire) -> None:
    run = make_talking_run(wire, lines=2)
    for talk in wire.memory.talks:
        wire.talk(talk, until="processing")
    assert wire.memory.talks[0].conversation is not None
    wire.refuses = wire.memory.talks[0].conversation["conversation_id"]
    hear_ends(run.account_id)
    hear_ends(run.account_id)
    assert run.calls.filter(ended_at=None).count() == 1
    assert (wire.lists(), wire.reads()) == (1, 2)


def test_only_what_is_over_and_ours_is_asked_for(wire: Wire) -> None:
    run = make_talking_run(wire, lines=2)
    wire.talk(wire.memory.talks[0], until="processing")
    stranger = Talk(number="+15550100199", call_id="call_of_somebody_else", batch="btcal_other")
    wire.memory.talks.append(stranger)
    wire.talk(stranger, until="processing")
    wire.asked.clear()
    hear_ends(run.account_id)
    assert wire.memory.talks[0].conversation is not None
    assert [path.split("?")[0] for path in wire.asked] == [
        "/v1/convai/conversations",
        DETAILS + wire.memory.talks[0].conversation["conversation_id"],
    ]
    assert run.calls.filter(ended_at=None).count() == 1
    assert Call.objects.count() == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"numbers": NUMBERS[:1]},
        {"status": RunStatus.PAUSED},
        {"next_attempt_at": timezone.now() + timedelta(hours=1)},
        {"voice_stack": VoiceStack.CUSTOM_VOICE},
    ],
    ids=["no number waits", "paused", "it waits for the provider", "the PBX tells by itself"],
)
def test_nobody_listens_where_nothing_would_be_gained(wire: Wire, bells: Bells, fields: dict[str, Any]) -> None:
    run = make_talking_run(wire, numbers=fields.pop("numbers", NUMBERS))
    Run.objects.filter(pk=run.pk).update(**fields)
    bells.clear()
    listen()
    assert bells.names() == []


def test_several_campaigns_of_an_account_are_heard_at_once(wire: Wire, bells: Bells) -> None:
    run = make_talking_run(wire)
    make_run(
        workspace=run.workspace,
        numbers=["+15550100150"],
        key=run.api_key,
        agent=run.agent,
        phone_provider=run.phone_provider,
    )
    bells.clear()
    listen()
    assert bells.names() == ["telephony.tasks.hear_ends"]


def test_nothing_is_asked_while_nobody_is_known_to_talk(wire: Wire) -> None:
    run = make_run(workspace=make_workspace(), numbers=NUMBERS)
    hear_ends(run.account_id)
    assert wire.asked == []


def test_an_account_that_refuses_to_tell_is_left_alone_for_a_while_and_its_campaign_goes_on(wire: Wire) -> None:
    run = make_talking_run(wire)
    wire.refuses = LIST
    hear_ends(run.account_id)
    hear_ends(run.account_id)
    assert wire.lists() == 1
    run.refresh_from_db()
    assert (run.status, run.wait_reason) == (RunStatus.RUNNING, "")


def test_where_a_key_may_not_read_conversations_another_does(wire: Wire) -> None:
    run = make_talking_run(wire)
    make_key(workspace=run.workspace, account=run.account, key="sk_may_not_read")
    wire.talk(wire.memory.talks[0], until="processing")
    hear_ends(run.account_id)
    assert run.calls.get().ended_at is not None
    assert wire.lists() == 2


def test_an_account_without_a_key_that_works_is_not_asked(wire: Wire) -> None:
    run = make_talking_run(wire)
    ElevenLabsKey.objects.update(status=KeyStatus.REFUSED)
    hear_ends(run.account_id)
    assert wire.lists() == 0


@pytest.mark.django_db(transaction=True)
def test_one_worker_asks_at_a_time(wire: Wire) -> None:
    run = make_talking_run(wire)
    with holding(at=LIST) as held, rivals() as start:
        first = start(hear_ends, run.account_id)
        assert held.arrived.wait(20)
        hear_ends(run.account_id)
        assert wire.lists() == 0, "the other's request is still on its way"
        held.let_go()
        first.result(20)
    assert wire.lists() == 1
    hear_ends(run.account_id)
    assert wire.lists() == 2, "and the next may ask"
