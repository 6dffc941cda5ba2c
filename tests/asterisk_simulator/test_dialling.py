"""What a dial looks like from an application: the orders of events that a real Asterisk 22.10.1 gave."""

from __future__ import annotations

from typing import Any

import pytest

from tests.asterisk_simulator.helpers import NUMBER, Listener, Pbx

_RANG = {"ChannelStateChange", "Dial RINGING"}


def _end(line: Listener) -> dict[str, Any]:
    return line.until("ChannelDestroyed", "call")


def test_an_answered_call_rings_is_up_and_enters_the_application(pbx: Pbx, line: Listener) -> None:
    pbx.dial(appArgs="a,b", callerId="Shop <+15550100000>")
    started = line.until("StasisStart", "call")

    heard = line.heard()
    assert (heard[0], set(heard[1:3])) == ("Dial", _RANG)
    assert heard[3:] == ["ChannelStateChange", "Dial ANSWER", "StasisStart"]
    assert started["args"] == ["a", "b"]
    assert started["channel"]["dialplan"]["app_data"] == "shop,a,b"
    assert started["channel"]["caller"] == {"name": "Shop", "number": "+15550100000"}


def test_ringing_and_its_dial_event_change_places_from_number_to_number(pbx: Pbx, line: Listener) -> None:
    orders = set()
    for last in range(20):
        call = f"call{last}"
        pbx.ari("POST", f"channels/{call}", {"endpoint": f"PJSIP/+155501002{last:02d}@trunk", "app": "shop"})
        line.events.clear()
        line.until("StasisStart", call)
        orders.add(tuple(line.heard()[1:3]))
    assert len(orders) == 2


def test_a_far_end_that_hangs_up_gives_no_cause_unless_it_was_bridged(pbx: Pbx, line: Listener) -> None:
    pbx.dial()
    line.until("StasisStart")
    pbx.sim("phones/call/hangup", {})

    assert "cause" not in line.until("ChannelHangupRequest", "call")
    assert _end(line)["cause"] == 0
    assert pbx.ledger()[0]["outcome"] == "answered"


@pytest.mark.parametrize(
    ("outcome", "cause", "sip", "status"),
    [
        ("busy", 17, 486, "BUSY"),
        ("rejected", 21, 603, "NOANSWER"),
        ("invalid", 1, 404, "NOANSWER"),
        ("congestion", 34, 503, "CONGESTION"),
        ("blocked", 127, 608, "NOANSWER"),
    ],
)
def test_a_refusal_has_its_cause_and_its_sip_code(
    pbx: Pbx, line: Listener, outcome: str, cause: int, sip: int, status: str
) -> None:
    pbx.script(outcome=outcome, ring_secs=0.5)
    pbx.dial()
    end = _end(line)

    assert (end["cause"], end["tech_cause"]) == (cause, sip)
    assert line.heard()[-3:] == ["ChannelHangupRequest", f"Dial {status}", "ChannelDestroyed"]
    assert pbx.ledger()[0]["outcome"] == outcome


@pytest.mark.parametrize(("outcome", "rang"), [("no_answer", True), ("dead_trunk", False)])
def test_a_dial_that_runs_out_of_time_ends_without_a_word_before(
    pbx: Pbx, line: Listener, outcome: str, rang: bool
) -> None:
    pbx.script(outcome=outcome, ring_secs=1)
    pbx.dial(timeout=5)
    end = _end(line)

    assert (end["cause"], end["tech_cause"]) == (19, 480)
    assert "ChannelHangupRequest" not in line.heard()
    assert ("Dial RINGING" in line.heard()) is rang


def test_a_far_end_that_says_480_is_told_from_our_own_time_out(pbx: Pbx, line: Listener) -> None:
    pbx.script(outcome="sip", sip_code=480)
    pbx.dial()
    assert _end(line)["cause"] == 19
    assert "ChannelHangupRequest" in line.heard()


def test_hanging_up_while_it_rings_cancels(pbx: Pbx, line: Listener) -> None:
    pbx.script(outcome="no_answer")
    pbx.dial(timeout=3000)
    line.until("Dial", dialstatus="RINGING")
    assert pbx.ari("DELETE", "channels/call").status_code == 204

    assert _end(line)["cause"] == 16
    assert line.heard()[-3:] == ["ChannelHangupRequest", "Dial NOANSWER", "ChannelDestroyed"]
    assert pbx.ledger()[0]["outcome"] == "cancelled"


def test_the_reason_of_hanging_up_becomes_the_cause_of_an_answered_call(pbx: Pbx, line: Listener) -> None:
    pbx.dial()
    line.until("StasisStart")
    pbx.ari("DELETE", "channels/call?reason=busy")
    end = _end(line)
    assert (end["cause"], end["tech_cause"]) == (17, 486)


def test_older_versions_say_no_sip_code(pbx: Pbx) -> None:
    pbx.sim("reset", {"version": "18.26.4"})
    pbx.script(outcome="busy", ring_secs=0)
    with pbx.listen() as line:
        pbx.dial()
        assert "tech_cause" not in _end(line)


def test_a_dial_without_a_listening_application_rings_and_is_dropped_at_the_answer(pbx: Pbx) -> None:
    assert pbx.dial().status_code == 200
    assert pbx.ended()["answered_at"] is not None
    assert pbx.ari("GET", "channels/call").status_code == 404


def test_one_id_is_dialled_once(pbx: Pbx, line: Listener) -> None:
    pbx.dial()
    again = pbx.dial()
    assert (again.status_code, again.json()) == (409, {"message": "Channel with given unique ID already exists"})
    assert [dial["number"] for dial in pbx.ledger()] == [NUMBER]


def test_an_unknown_trunk_cannot_be_allocated_and_nothing_is_dialled(pbx: Pbx, line: Listener) -> None:
    refused = pbx.ari("POST", "channels/call", {"endpoint": f"PJSIP/{NUMBER}@nowhere", "app": "shop"})
    assert (refused.status_code, refused.json()) == (500, {"error": "Allocation failed"})
    assert pbx.ledger() == []


def test_early_media_is_progress_and_not_ringing(pbx: Pbx, line: Listener) -> None:
    pbx.script(outcome="answered", early_media=True, ring_secs=1, talk_secs=100)
    pbx.dial()
    line.until("StasisStart")
    assert line.heard() == ["Dial", "Dial PROGRESS", "ChannelStateChange", "Dial ANSWER", "StasisStart"]


def test_a_created_channel_is_in_the_application_before_it_is_dialled(pbx: Pbx, line: Listener) -> None:
    pbx.ari("POST", "channels/create", {"endpoint": f"PJSIP/{NUMBER}@trunk", "app": "shop", "channelId": "call"})
    assert line.until("StasisStart")["channel"]["state"] == "Down"
    assert pbx.ledger() == []

    assert pbx.ari("POST", "channels/call/dial?timeout=30").status_code == 204
    line.until("Dial", dialstatus="ANSWER")
    assert pbx.ari("POST", "channels/call/dial").status_code == 409
    assert len(pbx.ledger()) == 1


def test_a_snoop_finds_out_whether_a_machine_answered_and_its_end_is_never_told(pbx: Pbx, line: Listener) -> None:
    pbx.script(outcome="voicemail", ring_secs=0, talk_secs=2000)
    pbx.dial()
    line.until("StasisStart", "call")
    pbx.ari("POST", "channels/call/snoop/ear?spy=in&app=shop&appArgs=x")
    line.until("StasisStart", "ear")
    pbx.ari("POST", "channels/ear/continue?context=amd")
    line.until("StasisEnd", "ear")

    assert line.until("StasisStart", "ear")["args"][:2] == ["amd", "MACHINE"]
    pbx.ari("DELETE", "channels/ear")
    pbx.ari("DELETE", "channels/call")
    line.until("ChannelDestroyed", "call")
    assert not [one for one in line.events if one["type"] == "ChannelDestroyed" and one["channel"]["id"] == "ear"]
