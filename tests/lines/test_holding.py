"""Who holds a PBX, and what becomes of calls when the holder, its socket or the bridge is lost."""

from __future__ import annotations

import asyncio

import pytest
from django.utils import timezone

from integrations.asterisk.client import Login, open_ari
from integrations.errors import Reason
from telephony.models import Call, Dial, DialStatus, PbxLink, RunStatus, TelephonySettings, VoiceBridge, VoiceSession
from telephony.voice.lines import rows
from telephony.voice.lines.lease import Lease
from tests.bells import Bells
from tests.dialer.provider import finish, look, numbers
from tests.dialer.truth import check_rows
from tests.lines.house import House, account, holding, outcomes, until_up, wait_for

SOON = 15.0


def test_a_second_process_stands_by_and_takes_over_at_once(house: House, bells: Bells) -> None:
    run = house.campaign(numbers(4))
    house.script(["*"], outcome="answered", talk_secs=10)
    with holding():
        until_up()
        first = PbxLink.objects.get().session
        with holding():
            look(bells)
            wait_for(lambda: len(house.placed()) == 4)
            assert PbxLink.objects.get().session == first
    with holding():
        wait_for(lambda: PbxLink.objects.exclude(session__in=["", first]).exists(), within=5)
        finish(bells, run)
    assert house.dialled() == sorted(house.dialled())
    assert len(house.dialled()) == 4
    check_rows()


def test_a_lease_is_one_holders_and_free_when_its_connection_is_gone(transactional_db: None) -> None:
    mine, other = Lease("pbx:x"), Lease("pbx:x")
    assert mine.take() is True
    assert other.take() is False
    assert (mine.is_held(), other.is_held()) == (True, False)  # it has a connection all the same
    mine.give_back()
    assert other.take() is True
    other.give_back()


def test_whoever_lost_the_pbx_writes_nothing(house: House) -> None:
    pk = account(house.workspace()).pk
    rows.link_up(pk, session="first", login="", version="")
    rows.link_up(pk, session="second", login="", version="")
    with pytest.raises(rows.LostHoldError):
        rows.sign_of_life(pk, session="first")
    with pytest.raises(rows.LostHoldError):
        rows.write(pk, session="first", dials=[], stops={})
    rows.link_down(pk, session="first", problem=Reason.PBX_DOWN)
    assert PbxLink.objects.get().session == "second"


def test_a_socket_that_drops_while_it_rings_loses_no_call_and_dials_none_twice(house: House, bells: Bells) -> None:
    house.control("reset", {"speed": 10})
    called = numbers(6)
    house.script(["*"], outcome="answered", ring_secs=20, talk_secs=10)
    run = house.campaign(called, max_concurrent=6)
    with holding():
        until_up()
        look(bells)
        wait_for(lambda: Call.objects.filter(status="ringing").count() == 6)
        before = PbxLink.objects.get().session
        house.control("events", {"action": "drop"})
        wait_for(lambda: PbxLink.objects.exclude(session__in=["", before]).exists(), within=5)
        finish(bells, run)
    assert house.dialled() == called
    assert set(outcomes(run)) <= {"answered", "error"}
    assert outcomes(run)["answered"] >= 1
    assert house.state()["channels"] == []
    check_rows()


def test_a_call_that_ended_while_nobody_listened_is_lost_sight_of_and_not_dialled_again(
    house: House, bells: Bells
) -> None:
    house.control("reset", {"speed": 10})
    called = numbers(2)
    house.script(["*"], outcome="busy", ring_secs=10)
    run = house.campaign(called)
    with holding():
        until_up()
        look(bells)
        wait_for(lambda: Call.objects.filter(status="ringing").count() == 2)
    wait_for(lambda: not house.state()["channels"])
    with holding():
        finish(bells, run)
    assert house.dialled() == called
    assert outcomes(run) == {"error": 2}
    assert set(Call.objects.values_list("reason", flat=True)) == {"lost_sight"}


def test_a_call_that_was_up_goes_on_over_the_next_socket(house: House, bells: Bells) -> None:
    house.control("reset", {"speed": 10})
    house.script(["*"], outcome="answered", ring_secs=1, talk_secs=1_000)
    run = house.campaign(numbers(1))
    with holding():
        until_up()
        look(bells)
        wait_for(lambda: any(len(bridge["channels"]) == 2 for bridge in house.state()["bridges"]))
        first = PbxLink.objects.get().session
    with holding():
        wait_for(lambda: PbxLink.objects.exclude(session__in=["", first]).exists())
        call = Call.objects.get()
        assert (call.status, len(house.state()["channels"])) == ("in_progress", 2)
        house.bridge.hang_up(call.call_id)
        finish(bells, run)
    assert outcomes(run) == {"answered": 1}
    assert house.state()["channels"] == []


def test_an_originate_that_nobody_answered_for_is_looked_up_before_its_number_is_dialled_again(
    house: House, bells: Bells, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrations.asterisk.client.ANSWER_WITHIN", 0.2)
    monkeypatch.setattr("telephony.voice.lines.placing.LOOKS_AFTER_UNKNOWN", (0.01, 0.01))
    called = numbers(2)
    house.script(["*"], outcome="answered", talk_secs=10, ring_secs=20)
    house.fault("hold", endpoint="POST /channels/*", when="after", times=2)
    run = house.campaign(called)
    with holding():
        until_up()
        finish(bells, run)
    assert house.dialled() == called
    assert outcomes(run) == {"answered": 2}


def test_an_originate_that_was_refused_unseen_gives_its_number_back_and_stops_the_campaign(
    house: House, bells: Bells, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telephony.voice.lines.placing.LOOKS_AFTER_UNKNOWN", (0.01, 0.01))
    house.fault("refuse", endpoint="POST /channels/*", status=503, times=1)
    run = house.campaign(numbers(1))
    with holding():
        until_up()
        finish(bells, run, into=(RunStatus.PAUSED,))
    run.refresh_from_db()
    assert (run.wait_reason, run.progress.pending, house.placed()) == ("pbx_down", 1, [])
    check_rows()


def test_an_endpoint_that_does_not_exist_stops_the_campaign_and_burns_no_number(house: House, bells: Bells) -> None:
    run = house.campaign(numbers(5), workspace=house.workspace(endpoint="PJSIP/{number}@nowhere"))
    with holding():
        until_up()
        finish(bells, run, into=(RunStatus.PAUSED,))
    run.refresh_from_db()
    assert (run.wait_reason, run.progress.pending, run.progress.child_count) == ("trunk_refused", 5, 0)
    assert house.placed() == []
    check_rows()


def test_calls_that_the_network_blocks_as_spam_stop_the_campaign(house: House, bells: Bells) -> None:
    house.script(["*"], outcome="blocked")
    run = house.campaign(numbers(5), max_concurrent=1)
    with holding():
        until_up()
        finish(bells, run, into=(RunStatus.PAUSED,))
    run.refresh_from_db()
    assert run.wait_reason == "calls_blocked"
    assert outcomes(run)["rejected"] == len(house.placed()) == 1
    assert run.progress.pending == 4


def test_being_replaced_is_final_and_said(house: House, bells: Bells) -> None:
    run = house.campaign(numbers(1))
    with holding():
        until_up()
        login = Login(url=house.url, app="aispinner", username="aispinner", password="aispinner")

        async def take_the_name() -> None:
            async with open_ari(login) as ari:
                await asyncio.to_thread(wait_for, lambda: PbxLink.objects.get().problem == "pbx_taken")
                with pytest.raises(TimeoutError):  # told of nothing, because nobody has taken it back
                    async with asyncio.timeout(0.5):
                        async for event in ari.events():
                            raise AssertionError(event)

        asyncio.run(take_the_name())
        finish(bells, run, into=(RunStatus.PAUSED,))
    run.refresh_from_db()
    assert (run.wait_reason, house.placed()) == ("pbx_taken", [])


def test_a_wrong_password_stops_the_campaign_and_the_right_one_lets_it_go_on(house: House, bells: Bells) -> None:
    workspace = house.workspace(password="wrong")
    run = house.campaign(numbers(1), workspace=workspace)
    with holding():
        wait_for(lambda: PbxLink.objects.filter(problem="pbx_refused").exists())
        finish(bells, run, into=(RunStatus.PAUSED,))
        run.refresh_from_db()
        assert run.wait_reason == "pbx_refused"
        stored = TelephonySettings.objects.get(workspace=workspace)
        stored.settings_json["providers"][0]["password"] = "aispinner"
        stored.save()
        until_up()


def test_another_workspace_that_names_the_same_pbx_without_its_password_does_not_dial_over_it(
    house: House, bells: Bells
) -> None:
    house.workspace()
    run = house.campaign(numbers(1), workspace=house.workspace(password="guessed"))
    with holding():
        until_up()
        finish(bells, run, into=(RunStatus.PAUSED,))
    run.refresh_from_db()
    assert (run.wait_reason, house.placed()) == ("pbx_refused", [])


def test_a_bridge_that_dies_ends_its_calls_and_says_so(house: House, bells: Bells) -> None:
    house.script(["*"], outcome="answered", talk_secs=10_000)
    run = house.campaign(numbers(1))
    with holding():
        until_up()
        look(bells)
        wait_for(lambda: len(house.bridge.media) == 1)
        house.bridge.die(Call.objects.get().call_id)
        finish(bells, run)
    call = Call.objects.get()
    assert (call.status, call.outcome, call.reason) == ("failed", "error", "bridge_lost")
    assert house.state()["channels"] == []


def test_without_a_bridge_nothing_is_dialled(house: House, bells: Bells) -> None:
    VoiceBridge.objects.all().delete()
    run = house.campaign(numbers(1))
    with holding():
        until_up()
        look(bells)
        run.refresh_from_db()
        assert (run.status, run.wait_reason) == (RunStatus.RUNNING, "bridge_down")
        assert not Dial.objects.exists()
        house.bridge.row()
        house.script(["*"], outcome="answered", talk_secs=10)
        wait_for(lambda: _again(run.pk))
        finish(bells, run)
    assert len(house.placed()) == 1


def _again(run_id: int) -> bool:
    """Not to wait out the campaign's back-off."""
    from telephony.models import Chunk, Run

    Run.objects.filter(pk=run_id).update(next_attempt_at=timezone.now())
    Chunk.objects.filter(run=run_id, retry_at__isnull=False).update(retry_at=timezone.now())
    return True


def test_a_bridge_that_refuses_is_asked_again_until_it_has_room(house: House, bells: Bells) -> None:
    house.script(["*"], outcome="answered", talk_secs=1_000, ring_secs=1)
    house.bridge.refuses = 1
    run = house.campaign(numbers(1))
    with holding():
        until_up()
        look(bells)
        wait_for(lambda: len(house.bridge.media) == 1)
        house.bridge.hang_up(Call.objects.get().call_id)
        finish(bells, run)
    assert outcomes(run) == {"answered": 1}


def test_who_leaves_before_the_bridge_has_come_leaves_no_session_behind(house: House, bells: Bells) -> None:
    house.script(["*"], outcome="answered", talk_secs=20, ring_secs=1)
    house.bridge.deaf = True
    run = house.campaign(numbers(1))
    with holding():
        until_up()
        look(bells)
        wait_for(lambda: house.bridge.calls)
        wait_for(lambda: not VoiceSession.objects.filter(ended_at=None).exists(), within=4)
        assert set(house.bridge.ended) == set(house.bridge.calls)
        finish(bells, run)
    assert outcomes(run) == {"answered": 1}
    assert house.state()["channels"] == []


def test_rows_of_a_provider_that_was_removed_are_given_back_with_the_reason(house: House, bells: Bells) -> None:
    run = house.campaign(numbers(2))
    pk = run.account_id
    rows.link_up(pk, session="s", login="", version="")
    VoiceBridge.objects.update(seen_at=timezone.now())
    look(bells)
    calls = Call.objects.filter(run=run)
    rows.hand_over(account_id=pk, provider_id="gone", calls=list(calls.values_list("pk", flat=True)))
    rows.refuse_unknown(pk, providers=set())
    assert not Dial.objects.filter(status=DialStatus.WAITING).exists()
