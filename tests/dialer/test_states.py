"""The table of a call's states: every state against every signal, and where its recipient goes."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.dialer.states import OPEN, TERMINAL, Fate, Signal, Status, fate_of_recipient, next_status
from telephony.models import CallStatus, RecipientStatus

WRITTEN_DOWN = """
                dispatched  rang        answered     ended_well  ended_badly  not_dialled
    queued      dialing     ringing     in_progress  done        failed       cancelled
    dialing     -           ringing     in_progress  done        failed       cancelled
    ringing     -           -           in_progress  done        failed       cancelled
    in_progress -           -           -            done        failed       failed
    done        -           -           -            -           -            -
    failed      -           -           -            -           -            -
    cancelled   -           -           -            -           -            -
"""


def _expected() -> dict[tuple[Status, Signal], Status | None]:
    heading, *rows = [line.split() for line in WRITTEN_DOWN.strip().splitlines()]
    return {
        (Status(row[0]), Signal(signal)): None if word == "-" else Status(word)
        for row in rows
        for signal, word in zip(heading, row[1:], strict=True)
    }


EXPECTED = _expected()


@pytest.mark.parametrize(("status", "signal"), list(product(Status, Signal)))
def test_every_signal_moves_every_state_as_it_is_written_down(status: Status, signal: Signal) -> None:
    assert next_status(status, signal) is EXPECTED[status, signal]


@given(st.lists(st.sampled_from(Signal), max_size=20))
def test_no_order_of_signals_leads_backwards_or_out_of_an_end(signals: list[Signal]) -> None:
    status, ends = Status.QUEUED, []
    for signal in signals:
        before, status = status, next_status(status, signal) or status
        assert [*OPEN, *sorted(TERMINAL)].index(before) <= [*OPEN, *sorted(TERMINAL)].index(status)
        ends += [status] if status in TERMINAL and before not in TERMINAL else []
        assert before not in TERMINAL or before is status
    assert len(ends) <= 1


@pytest.mark.parametrize("status", OPEN)
@pytest.mark.parametrize("signal", [Signal.ENDED_WELL, Signal.ENDED_BADLY, Signal.NOT_DIALLED])
def test_an_end_that_is_told_first_ends_a_call_from_anywhere(status: Status, signal: Signal) -> None:
    assert next_status(status, signal) in TERMINAL


def test_a_call_that_somebody_answered_is_never_given_back() -> None:
    ended = next_status(Status.IN_PROGRESS, Signal.NOT_DIALLED)
    assert ended is Status.FAILED
    assert fate_of_recipient(ended, run_cancelled=False) is Fate.FAILED


@pytest.mark.parametrize(
    ("ended", "run_cancelled", "fate"),
    [
        (Status.DONE, False, Fate.SUCCESS),
        (Status.DONE, True, Fate.SUCCESS),
        (Status.FAILED, False, Fate.FAILED),
        (Status.FAILED, True, Fate.FAILED),
        (Status.CANCELLED, False, Fate.PENDING),
        (Status.CANCELLED, True, Fate.CANCELLED),
    ],
)
def test_only_a_number_that_was_not_dialled_is_pending_again(ended: Status, run_cancelled: bool, fate: Fate) -> None:
    assert fate_of_recipient(ended, run_cancelled=run_cancelled) is fate


def test_the_table_and_the_database_use_the_same_words() -> None:
    assert {status.value for status in Status} == set(CallStatus.values)
    assert {fate.value for fate in Fate} == set(RecipientStatus.values) - {RecipientStatus.IN_FLIGHT}
    assert {status for status in CallStatus if status.is_terminal} == {CallStatus(status.value) for status in TERMINAL}
