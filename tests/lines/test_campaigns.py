"""Whole campaigns over a simulated PBX: every number placed once, every outcome as the far end gave it."""

from __future__ import annotations

from itertools import accumulate
from socket import socket

import pytest

from integrations.models import Account
from telephony.models import Call, Dial, DialStatus, Pacing, RunStatus
from telephony.services import cancel_run, pause_run, resume_run
from telephony.voice.lines.pace import Pace
from tests.bells import Bells
from tests.dialer.provider import finish, look, numbers
from tests.dialer.truth import check_rows
from tests.factories import make_user
from tests.lines.house import House, holding, outcomes, until_up, wait_for

FAR_ENDS = {  # what the far end does → the call's outcome
    "answered": "answered",
    "voicemail": "answered",  # nobody listens for machines here
    "busy": "busy",
    "no_answer": "no_answer",
    "rejected": "rejected",
    "invalid": "invalid_number",
    "congestion": "congestion",
    "dead_trunk": "congestion",
}


@pytest.mark.parametrize(("version", "pacing"), [("22.10.1", Pacing.CONTINUOUS), ("18.26.4", Pacing.CHUNKED)])
def test_a_campaign_dials_every_number_once_and_tells_each_outcome(
    house: House, bells: Bells, version: str, pacing: str
) -> None:
    """Once with everything over WebSockets, once as an old Asterisk has it: HTTP and AudioSocket."""
    house.control("reset", {"version": version})
    called = numbers(16)
    for place, far_end in enumerate(FAR_ENDS):
        house.script(called[2 * place : 2 * place + 2], outcome=far_end, talk_secs=20, ring_secs=5)
    run = house.campaign(called, max_concurrent=8, pacing=pacing)
    with holding():
        until_up()
        finish(bells, run)
    run.refresh_from_db()
    assert run.status == RunStatus.COMPLETED
    assert house.dialled() == called
    expected = dict(zip(called, (outcome for outcome in FAR_ENDS.values() for _ in range(2)), strict=True))
    assert dict(Call.objects.values_list("subscriber_phone", "outcome")) == expected
    assert house.state()["channels"] == house.state()["bridges"] == []
    assert house.bridge.calls
    check_rows()


def test_a_call_is_followed_to_its_end_and_early_media_is_no_answer(house: House, bells: Bells) -> None:
    [number] = called = numbers(1)
    house.control("reset", {"speed": 20})
    house.script(called, outcome="answered", early_media=True, ring_secs=20, talk_secs=10_000)
    run = house.campaign(called)
    with holding():
        until_up()
        look(bells)
        wait_for(lambda: Call.objects.filter(status="ringing").exists())
        assert Dial.objects.get().answered_at is None
        wait_for(lambda: Call.objects.filter(status="in_progress").exists() and house.bridge.media)
        call = Call.objects.get()
        house.bridge.hang_up(call.call_id)
        finish(bells, run)
    call.refresh_from_db()
    assert (call.status, call.outcome, call.subscriber_phone) == ("done", "answered", number)
    assert call.answered_at is not None
    assert call.dispatched_at is not None
    assert call.dispatched_at < call.answered_at
    assert house.placed()[0]["outcome"] in {"answered", "hung up by pbx"}
    assert house.state()["channels"] == []


def test_voicemail_is_heard_beside_the_agent_and_ends_the_call(house: House, bells: Bells) -> None:
    called = numbers(2)
    house.script(called[:1], outcome="voicemail", talk_secs=10_000)
    house.script(called[1:], outcome="answered", manner="talk", talk_secs=75)
    run = house.campaign(called, workspace=house.workspace(amd_context="amd"))
    with holding():
        until_up()
        finish(bells, run)
    assert outcomes(run) == {"voicemail": 1, "answered": 1}
    assert dict(Dial.objects.values_list("call__subscriber_phone", "machine")) == dict(
        zip(called, ["MACHINE", "HUMAN"], strict=True)
    )
    assert house.state()["channels"] == []


def test_nothing_more_is_dialled_after_a_pause_and_what_waits_is_taken_back(house: House, bells: Bells) -> None:
    called = numbers(3)
    house.script(["*"], outcome="answered", talk_secs=20)
    run = house.campaign(called, workspace=house.workspace(calls_per_second=1), max_concurrent=3)
    user = make_user()
    with holding():
        until_up()
        look(bells)
        wait_for(lambda: len(house.placed()) == 1)
        pause_run(run=run, user=user)
        placed = len(house.placed())
        finish(bells, run, into=(RunStatus.PAUSED,))
        assert len(house.placed()) <= placed + 1
        assert Dial.objects.filter(status=DialStatus.WITHDRAWN).exists()
        run.refresh_from_db()
        resume_run(run=run, user=user)
        finish(bells, run)
    assert house.dialled() == called
    check_rows()


def test_cancelling_with_hangup_ends_live_calls_and_ringing_ones(house: House, bells: Bells) -> None:
    called = numbers(3)
    house.control("reset", {"speed": 2})
    house.script(called[:2], outcome="answered", ring_secs=0, talk_secs=1_000)
    house.script(called[2:], outcome="no_answer", ring_secs=1_000)
    run = house.campaign(called)
    with holding():
        until_up()
        look(bells)
        wait_for(lambda: Call.objects.filter(status="in_progress").count() == 2 and len(house.bridge.media) == 2)
        wait_for(lambda: Call.objects.filter(status="ringing").count() == 1)
        cancel_run(run=run, user=make_user(), hangup=True)
        finish(bells, run, into=(RunStatus.CANCELLED,))
        wait_for(lambda: not house.state()["channels"])
        wait_for(lambda: not Call.objects.filter(ended_at=None).exists())
    assert outcomes(run) == {"answered": 2, "cancelled": 1}
    check_rows()


def test_a_pbx_without_its_websocket_module_is_talked_to_over_audiosocket(house: House, bells: Bells) -> None:
    house.script(["*"], outcome="answered", talk_secs=20)
    house.fault("refuse", endpoint="POST /channels/externalMedia", status=500, times=1)
    run = house.campaign(numbers(1))
    with holding():
        until_up()
        look(bells)
        wait_for(lambda: house.bridge.media)
        assert isinstance(next(iter(house.bridge.media.values())), socket)
        finish(bells, run)
    assert outcomes(run) == {"answered": 1}
    assert house.state()["channels"] == []


def test_no_more_calls_are_up_than_the_pbx_has_lines_and_each_is_placed_in_its_turn(
    house: House, bells: Bells, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The turns are compared by the clock that they were given by; when a call then leaves is the machine's affair."""
    house.script(["*"], outcome="answered", talk_secs=10, ring_secs=5)
    turns: list[float] = []
    use = Pace.use

    def noted(pace: Pace, count: int, now: float) -> None:
        turns.extend([now] * count)
        use(pace, count, now)

    monkeypatch.setattr(Pace, "use", noted)
    workspace = house.workspace(calls_per_second=8, max_concurrent=3)
    run = house.campaign(numbers(10), workspace=workspace, max_concurrent=10)
    assert Account.objects.get(pk=run.account_id).concurrency_limit == 3
    with holding():
        until_up()
        finish(bells, run)
    assert len(turns) == len(house.placed()) == 10
    assert all(ninth - first > 0.999 for first, ninth in zip(turns, turns[8:], strict=False))
    assert most_at_once(house) <= 3
    check_rows()


def most_at_once(house: House) -> int:
    """By what the far end saw."""
    ends = [(float(entry["placed_at"]), 1) for entry in house.placed()]
    ends += [(float(entry["ended_at"]), -1) for entry in house.placed()]
    return max(accumulate(step for _, step in sorted(ends)))
