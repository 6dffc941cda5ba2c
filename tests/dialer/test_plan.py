"""What a run does next, in every situation that its rows can be in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.dialer.plan import CHECK_AGAIN, Become, Dissolve, Resubmit, RunView, Step, Stop, Submit, Wait, next_step
from telephony.models import RunStatus

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
SOON, LATER, JUST_NOW = NOW + timedelta(seconds=5), NOW + timedelta(hours=1), NOW - timedelta(seconds=1)
LOOK_LATER = Wait(NOW + CHECK_AGAIN)
NO_LINE = Wait(NOW + CHECK_AGAIN, reason="no_capacity")


def view(status: str = "running", **changes: Any) -> RunView:
    """A run with ten numbers to dial and four lines of its own, all free."""
    fields: dict[str, Any] = {
        "pending": 10,
        "in_flight": 0,
        "max_concurrent": 4,
        "continuous": False,
        "next_attempt_at": None,
        "open_chunks": 0,
        "share": 4,
        "room": 4,
    }
    return RunView(status=status, **(fields | changes))


BUSY: dict[str, Any] = {"in_flight": 3, "open_chunks": 1, "room": 1}
KEPT: dict[str, Any] = {"in_flight": 4, "open_chunks": 1, "waiting_chunk": 7}
NOTHING_LEFT: dict[str, Any] = {"pending": 0}


@pytest.mark.parametrize(
    ("run", "step"),
    [
        (view(), Submit(4)),
        (view(pending=2), Submit(2)),
        (view(share=1), Submit(1)),
        (view(share=0), NO_LINE),
        (view(room=0), NO_LINE),
        (view(**BUSY), LOOK_LATER),
        (view(failing=True), Stop("breaker")),
        (view(**BUSY, failing=True), Stop("breaker")),
        (view(**KEPT, failing=True, pending=0, waiting_until=LATER), Stop("breaker")),
        (view(**BUSY, failing=True, pending=0), LOOK_LATER),
        (view("pausing", **BUSY, failing=True), LOOK_LATER),
        (view(**BUSY, continuous=True), Submit(1)),
        (view(**BUSY, continuous=True, pending=0), LOOK_LATER),
        (view(next_attempt_at=SOON), Wait(SOON)),
        (view(next_attempt_at=NOW), Submit(4)),
        (view(next_attempt_at=JUST_NOW), Submit(4)),
        (view(**KEPT, waiting_until=SOON), Wait(SOON)),
        (view(**KEPT, waiting_until=NOW), Resubmit(7)),
        (view(**KEPT, waiting_until=JUST_NOW), Resubmit(7)),
        (view(**KEPT, waiting_until=JUST_NOW, pending=0), Resubmit(7)),
        (view(**NOTHING_LEFT), Become("completed")),
        (view(**NOTHING_LEFT, in_flight=1, open_chunks=1), LOOK_LATER),
        (view(**NOTHING_LEFT, open_chunks=1), LOOK_LATER),  # ended, but transcripts are still to come
        (view("pausing"), Become("paused")),
        (view("pausing", pending=0), Become("completed")),
        (view("pausing", **BUSY), LOOK_LATER),
        (view("pausing", open_chunks=1), LOOK_LATER),
        (view("pausing", **KEPT, waiting_until=LATER), Dissolve(7)),
        (view("cancelled"), Become("cancelled")),
        (view("cancelled", **BUSY), LOOK_LATER),
        (view("cancelled", **KEPT, waiting_until=LATER), Dissolve(7)),
        (view("paused"), None),
        (view("paused", **NOTHING_LEFT), None),
        (view("completed", **NOTHING_LEFT), None),
    ],
)
def test_the_next_step_is_what_the_rows_call_for(run: RunView, step: Step | None) -> None:
    assert next_step(run, now=NOW) == step


VIEWS = st.builds(
    RunView,
    status=st.sampled_from(RunStatus.values),
    pending=st.integers(0, 3),
    in_flight=st.integers(0, 3),
    max_concurrent=st.integers(1, 3),
    continuous=st.booleans(),
    next_attempt_at=st.sampled_from([None, JUST_NOW, LATER]),
    open_chunks=st.integers(0, 2),
    share=st.integers(0, 3),
    room=st.integers(-1, 3),
)


@given(VIEWS)
def test_only_a_running_run_submits_and_never_beyond_a_bound(run: RunView) -> None:
    step = next_step(run, now=NOW)
    if isinstance(step, Submit):
        assert run.status == "running"
        assert 0 < step.size <= min(run.pending, run.max_concurrent - run.in_flight, run.share, run.room)


@given(VIEWS)
def test_a_run_with_anything_still_open_never_comes_to_rest(run: RunView) -> None:
    step = next_step(run, now=NOW)
    if isinstance(step, Become):
        assert not run.in_flight
        assert not run.open_chunks


@given(VIEWS)
def test_a_run_that_does_not_rest_is_looked_at_again(run: RunView) -> None:
    step = next_step(run, now=NOW)
    assert (step is None) == (run.status in {"paused", "completed"})
    if isinstance(step, Wait):
        assert step.until > NOW
