"""That the comparison of a PBX's ledger with the journal misses nothing."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.chaos.over_pbx import Found, broken, told

pytestmark = pytest.mark.unit
ENDS = [("answered", "answered", ""), ("busy", "busy", ""), ("answered", "error", "bridge_lost")]


def found(ends: list[tuple[str, str, str]] | None = None) -> Found:
    """A campaign over a number for each of `ends`: what the far end did, what the journal says of it, and why."""
    calls, dials = [], {}
    for place, (did, outcome, reason) in enumerate(ends or ENDS):
        number, status = f"+1555010{place:04}", "done" if outcome == "answered" else "failed"
        calls.append(
            {"call_id": f"call_{place}", "subscriber_phone": number, "status": status, "outcome": outcome,
             "reason": reason}
        )  # fmt: skip
        dials[f"call_{place}"] = {
            "number": number, "outcome": did, "placed_at": place, "ended_at": place + 9,
            "answered_at": place + 1 if did == "answered" else None,
        }  # fmt: skip
    rows: dict[str, Any] = dict.fromkeys(("open_chunks", "open_sessions", "strangers"), 0)
    rows |= {"calls": calls, "contradictions": "", "audit": ""}
    numbers = [call["subscriber_phone"] for call in calls]
    return Found(numbers=numbers, rows=rows, dials=dials, channels=0, faults=Counter(), status="completed", seconds=1.0)


def test_what_was_dialled_and_told_is_well_and_counted() -> None:
    whole = found()
    assert list(broken(whole)) == []
    assert (told(whole)["once"], told(whole)["bridge"], told(whole)["lost_sight"]) == (3, 1, 0)


@pytest.mark.parametrize(
    ("end", "sentence"),
    [
        (("busy", "no_answer", ""), "busy there is no_answer (no reason) here"),
        (("busy", "error", "bridge_lost"), "busy there is error (bridge_lost) here"),
        (("answered", "answered", "lost_sight"), "answered there is answered (lost_sight) here"),
    ],
)
def test_an_outcome_that_is_not_the_far_ends_is_seen(end: tuple[str, str, str], sentence: str) -> None:
    assert list(broken(found([end]))) == [sentence]


def test_a_number_dialled_twice_is_seen_and_so_is_one_that_was_not() -> None:
    twice, never, unseen = found(), found(), found()
    twice.dials["call_9"] = twice.dials["call_0"]
    del never.dials["call_0"], unseen.dials["call_0"]
    unseen.rows["calls"][0] |= {"status": "failed", "outcome": "error", "reason": "lost_sight"}
    assert set(broken(twice)) == {"a number was dialled 2 times", "a dial is not in the journal"}
    assert set(broken(never)) == {
        "a number was never dialled", "a call is answered in the journal and was never dialled"
    }  # fmt: skip
    assert list(broken(unseen)) == []
    assert (told(unseen)["lost_sight"], told(unseen)["unplaced"]) == (1, 1)


def test_what_is_left_over_is_seen() -> None:
    left = found()
    left.channels, left.rows["open_sessions"] = 2, 1
    assert set(broken(left)) == {
        "the campaign is completed, 2 channels and bridges are left on the PBX", "open sessions: 1"
    }  # fmt: skip
