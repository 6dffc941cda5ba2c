"""How a call ended, row by row of the table that was measured on Asterisk 22.10.1."""

from __future__ import annotations

import pytest

from integrations.asterisk.outcomes import ending
from integrations.calls import Outcome
from integrations.errors import Reason

# SIP answer, Q.850 cause, whether it rang → outcome, reason, why nothing more should be tried
TABLE = [
    (486, 17, True, Outcome.BUSY, "", None),
    (600, 17, False, Outcome.BUSY, "", None),
    (480, 19, True, Outcome.NO_ANSWER, "", None),
    (480, 19, False, Outcome.CONGESTION, "never_rang", None),
    (408, 18, True, Outcome.NO_ANSWER, "", None),
    (408, 18, False, Outcome.CONGESTION, "never_rang", None),
    (487, 127, True, Outcome.CANCELLED, "", None),
    (603, 21, True, Outcome.REJECTED, "", None),
    (403, 21, False, Outcome.REJECTED, "", None),
    (401, 21, False, Outcome.REJECTED, "trunk_refused", Reason.TRUNK_REFUSED),
    (407, 21, False, Outcome.REJECTED, "trunk_refused", Reason.TRUNK_REFUSED),
    (404, 1, False, Outcome.INVALID_NUMBER, "", None),
    (604, 1, False, Outcome.INVALID_NUMBER, "", None),
    (485, 1, False, Outcome.INVALID_NUMBER, "", None),
    (484, 28, False, Outcome.INVALID_NUMBER, "number_incomplete", None),
    (410, 22, False, Outcome.INVALID_NUMBER, "number_changed", None),
    (488, 58, False, Outcome.ERROR, "media_refused", None),
    (606, 58, False, Outcome.ERROR, "media_refused", None),
    (500, 38, False, Outcome.CONGESTION, "", None),
    (502, 27, False, Outcome.CONGESTION, "", None),
    (503, 34, False, Outcome.CONGESTION, "", None),
    (504, 102, False, Outcome.CONGESTION, "", None),
    (607, 127, False, Outcome.REJECTED, "unwanted", Reason.CALLS_BLOCKED),
    (608, 127, False, Outcome.REJECTED, "blocked", Reason.CALLS_BLOCKED),
    (420, 127, False, Outcome.ERROR, "sip_420", None),
    (None, 3, False, Outcome.CONGESTION, "no_route", None),
]


@pytest.mark.parametrize(("sip", "cause", "rang", "outcome", "reason", "stops"), TABLE)
def test_every_row_of_the_table(
    sip: int | None, cause: int, rang: bool, outcome: Outcome, reason: str, stops: Reason | None
) -> None:
    end = ending(cause=cause, tech_cause=sip, rang=rang)
    assert (end.outcome, end.reason, end.stops) == (outcome, reason, stops)


@pytest.mark.parametrize(("sip", "cause", "rang", "outcome", "reason", "stops"), TABLE)
def test_an_asterisk_that_tells_no_sip_code_leads_to_the_same_outcome_where_the_cause_is_enough(
    sip: int | None, cause: int, rang: bool, outcome: Outcome, reason: str, stops: Reason | None
) -> None:
    known = ending(cause=cause, tech_cause=None, rang=rang).outcome
    assert known == (Outcome.ERROR if cause == 127 else outcome)


@pytest.mark.parametrize("cause", [0, 16, 19, 127])
def test_who_answered_stays_answered_whatever_the_cause(cause: int) -> None:
    assert ending(cause=cause, tech_cause=None, rang=True, answered=True).outcome == Outcome.ANSWERED
    assert ending(cause=cause, tech_cause=None, rang=True, answered=True, machine=True).outcome == Outcome.VOICEMAIL


def test_hanging_up_while_it_rings_cancels() -> None:
    assert ending(cause=16, tech_cause=None, rang=True, ours=True).outcome == Outcome.CANCELLED
    assert ending(cause=16, tech_cause=None, rang=True).outcome == Outcome.CANCELLED


def test_a_cause_that_nobody_knows_is_an_error_that_names_it() -> None:
    end = ending(cause=99, tech_cause=None, rang=False)
    assert (end.outcome, end.reason) == (Outcome.ERROR, "cause_99")
