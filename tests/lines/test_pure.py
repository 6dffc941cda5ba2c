"""What needs no PBX: pace, what an event makes of a row, what to do after a socket was away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations.asterisk.events import Answered, Destroyed, Event, Rang, StasisStarted
from integrations.calls import Outcome, Phase
from telephony.models import Dial, DialStatus
from telephony.voice.lines.pace import Pace
from telephony.voice.lines.reconcile import compare, on_pbx
from telephony.voice.lines.told import end_unseen, hear, report_of, withdraw

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
A, B, C = (f"call_01m838h5bg08nk9f843sts3{letter}" + "0" * 2 for letter in "abc")


def dial(**fields: Any) -> Dial:
    return Dial(**{"call_id": 1, "status": DialStatus.PLACED, "session": "s", "dialled_at": NOW, **fields})


def told(row: Dial, *events: Event, session: str = "s") -> Dial:
    for place, event in enumerate(events):
        hear(row, event, session=session, now=NOW + timedelta(seconds=place))
    return row


def channel(id_: str, *, app: str = "") -> dict[str, Any]:
    return {"id": id_, "state": "Up", "dialplan": {"app_name": "Stasis" if app else "", "app_data": app}}


@pytest.mark.parametrize("rate", [0.5, 1, 8, 50, 400])
def test_no_second_has_more_calls_than_the_trunk_takes(rate: float) -> None:
    pace, placed, now = Pace(rate=rate), list[float](), 100.0
    while now < 110:
        free = pace.free(now)
        pace.use(free, now)
        placed += [now] * free
        now += 0.013
    most = max(1, int(rate))
    assert all(one_more >= first + 1 for first, one_more in zip(placed, placed[most:], strict=False))
    assert len(placed) >= 0.8 * 10 * rate


def test_an_idle_trunk_saves_nothing_up() -> None:
    pace = Pace(rate=2)
    pace.use(pace.free(100), 100)
    assert pace.free(200) == 1
    pace.use(1, 200)
    assert pace.free(200.4) == 0


def test_a_row_says_how_far_its_call_is() -> None:
    row = dial(status=DialStatus.DIALING)
    assert report_of(row).phase is Phase.DISPATCHED
    assert report_of(told(row, Rang(channel_id="x", early_media=True))).phase is Phase.RINGING
    assert report_of(told(row, Answered(channel_id="x"), StasisStarted(channel_id="x"))).phase is Phase.IN_PROGRESS
    end = report_of(told(row, Rang(channel_id="x"), Rang(channel_id="x"), Destroyed(channel_id="x", cause=16)))
    assert (end.phase, end.outcome, end.duration_sec, end.settled) == (Phase.ENDED, Outcome.ANSWERED, 2, False)


def test_what_comes_after_the_end_changes_nothing() -> None:
    row = told(dial(), Destroyed(channel_id="x", cause=17, tech_cause=486), StasisStarted(channel_id="x"))
    assert (row.outcome, row.answered_at, report_of(row).settled) == (Outcome.BUSY, None, True)


def test_a_machine_ends_a_call_as_voicemail_even_before_the_channel_is_gone() -> None:
    row = told(dial(), StasisStarted(channel_id="x"))
    row.machine = "MACHINE"
    assert (report_of(row).phase, report_of(row).outcome) == (Phase.ENDED, Outcome.VOICEMAIL)
    assert report_of(told(row, Destroyed(channel_id="x", cause=16))).outcome == Outcome.VOICEMAIL


def test_silence_over_another_socket_is_no_proof_of_silence() -> None:
    gone = Destroyed(channel_id="x", cause=19, tech_cause=480)
    assert told(dial(), gone).outcome == Outcome.CONGESTION
    assert told(dial(), gone, session="another").outcome == Outcome.NO_ANSWER
    dropped = told(dial(), Destroyed(channel_id="x", cause=16), session="another")
    assert (dropped.outcome, dropped.reason) == (Outcome.ERROR, "lost_sight")


def test_an_end_that_nobody_saw() -> None:
    silent, talking, doomed = dial(), dial(answered_at=NOW), dial(answered_at=NOW, reason="bridge_lost")
    for row in (silent, talking, doomed):
        end_unseen(row, now=NOW)
    assert (silent.outcome, silent.reason) == (Outcome.ERROR, "lost_sight")
    assert talking.outcome == Outcome.ANSWERED
    assert (doomed.outcome, doomed.reason) == (Outcome.ERROR, "bridge_lost")


def test_a_withdrawn_row_proves_that_nothing_was_dialled() -> None:
    row = dial(status=DialStatus.DIALING)
    withdraw(row, reason="trunk_refused", now=NOW)
    assert (report_of(row).phase, report_of(row).account_limit) == (Phase.NOT_DIALLED, "trunk_refused")


def test_rows_and_channels_are_made_one() -> None:
    there = on_pbx(
        channels=[channel(A), channel(f"{A}-media"), channel(B), channel("1763870000.12"), channel("call_short")],
        bridges=[{"id": A}, {"id": "conference"}],
        app="aispinner",
    )
    verdict = compare({A: dial(answered_at=NOW), B: dial(answered_at=NOW), C: dial()}, there, known=[A, B, C])
    assert (set(verdict.gone), set(verdict.unjoined), set(verdict.stray)) == ({C}, {B}, set())


def test_only_what_is_surely_ours_is_stray() -> None:
    there = on_pbx(
        channels=[channel(A), channel(B, app="aispinner,x"), channel(C, app="other")], bridges=[], app="aispinner"
    )
    assert compare({}, there, known=[A]).stray == {A, B}  # C is another installation's
