"""How much and when: fair shares of an account's lines, the size of the next chunk, intervals of asking and waiting."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.dialer.pacing import Demand, backoff, next_size, poll_delay, room_learned, shares

T0 = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def demand(run_id: int, wanted: int, *, in_flight: int = 0, served: int = 0) -> Demand:
    return Demand(run_id=run_id, wanted=wanted, in_flight=in_flight, last_served=T0 + timedelta(seconds=served))


DEMANDS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 100)), max_size=12).map(
    lambda rows: [
        demand(run_id, max(wanted, busy), in_flight=busy, served=at) for run_id, (wanted, busy, at) in enumerate(rows)
    ]
)


@given(limit=st.integers(0, 80), demands=DEMANDS)
def test_shares_add_up_to_what_the_account_has_and_never_to_more(limit: int, demands: list[Demand]) -> None:
    given = shares(limit=limit, demands=demands)
    busy, wanted = sum(each.in_flight for each in demands), sum(each.wanted for each in demands)
    assert sum(given.values()) == max(busy, min(limit, wanted))


@given(limit=st.integers(0, 80), demands=DEMANDS)
def test_nobody_loses_a_busy_line_or_gets_more_than_it_wants(limit: int, demands: list[Demand]) -> None:
    given = shares(limit=limit, demands=demands)
    assert all(each.in_flight <= given[each.run_id] <= each.wanted for each in demands)


@given(limit=st.integers(0, 80), demands=DEMANDS)
def test_whoever_goes_short_has_at_most_one_line_less_than_anybody_else(limit: int, demands: list[Demand]) -> None:
    given = shares(limit=limit, demands=demands)
    short = [given[each.run_id] for each in demands if given[each.run_id] < each.wanted]
    assert all(given[each.run_id] <= max(each.in_flight, least + 1) for each in demands for least in short)


def test_a_run_without_wants_takes_no_line_from_one_that_has_some() -> None:
    waiting = [demand(1, 0, served=0), demand(2, 5, served=10)]
    assert shares(limit=1, demands=waiting) == {1: 0, 2: 1}


def test_the_line_too_many_goes_to_whoever_was_served_longest_ago() -> None:
    assert shares(limit=3, demands=[demand(1, 9, served=30), demand(2, 9, served=10)]) == {1: 1, 2: 2}


@given(limit=st.integers(1, 5), runs=st.integers(1, 12))
def test_with_more_runs_than_lines_each_has_its_turn(limit: int, runs: int) -> None:
    demands = [demand(run_id, 4) for run_id in range(runs)]
    turns: list[int] = []
    for second in range(1, 1 + -(-runs // limit)):
        given = shares(limit=limit, demands=demands)
        for place, each in enumerate(demands):
            if given[each.run_id]:
                turns.append(each.run_id)
                demands[place] = replace(each, last_served=T0 + timedelta(seconds=second))
    assert set(turns) == set(range(runs))


def test_whoever_looks_first_takes_no_line_that_is_anothers_turn() -> None:
    """Two lines, one of them free: the busy one is over its share, and two runs have none."""
    runs = [demand(1, 9, served=20), demand(2, 9, in_flight=1, served=30), demand(3, 9, served=10)]
    assert shares(limit=2, demands=runs) == {1: 0, 2: 1, 3: 1}


class Line:
    """One run in a played account: how many calls are up, and how many numbers are left."""

    def __init__(self, run_id: int, *, pending: int, most: int, continuous: bool) -> None:
        self.run_id, self.pending, self.most, self.continuous = run_id, pending, most, continuous
        self.up = self.served = self.dialled = self.passed_over = 0

    def demand(self) -> Demand:
        wanted = min(self.most, self.pending + self.up)
        return demand(self.run_id, max(wanted, self.up), in_flight=self.up, served=self.served)

    def dial(self, *, limit: int, everybody: list[Line], second: int) -> int:
        demands = [line.demand() for line in everybody]
        size = next_size(
            continuous=self.continuous,
            max_concurrent=self.most,
            in_flight=self.up,
            pending=self.pending,
            share=shares(limit=limit, demands=demands)[self.run_id],
            room=limit - sum(each.in_flight for each in demands),
        )
        self.up, self.pending, self.dialled = self.up + size, self.pending - size, self.dialled + size
        self.served = second if size else self.served
        self.passed_over = 0 if self.up or not self.pending else self.passed_over + 1
        return size


LINES = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 12), st.booleans()), min_size=1, max_size=5)


@given(limit=st.integers(1, 12), rows=LINES, seed=st.integers(0, 10**9))
def test_an_account_is_never_over_its_limit_and_no_run_starves(
    limit: int, rows: list[tuple[int, int, bool]], seed: int
) -> None:
    chance = Random(seed)
    runs = [Line(n, pending=p, most=m, continuous=c) for n, (p, m, c) in enumerate(rows)]
    for second in range(1, 500):
        for run in runs if seed % 2 else chance.sample(runs, k=len(runs)):
            run.dial(limit=limit, everybody=runs, second=second)
            assert sum(each.up for each in runs) <= limit
            assert run.up <= run.most
            assert run.passed_over <= len(runs), "somebody starves"
        busy = [run for run in runs if run.up]
        if not busy:
            break
        chance.choice(busy).up -= 1
    assert all(not run.pending and not run.up for run in runs)


@pytest.mark.parametrize("in_flight", range(1, 5))
def test_chunk_after_chunk_waits_for_the_last_call_of_the_chunk(in_flight: int) -> None:
    sizes = {"max_concurrent": 5, "pending": 100, "share": 5, "room": 5 - in_flight, "in_flight": in_flight}
    assert next_size(continuous=False, **sizes) == 0
    assert next_size(continuous=True, **sizes) == 5 - in_flight


@pytest.mark.parametrize(
    ("changed", "size"),
    [
        ({}, 20),
        ({"max_concurrent": 7}, 7),
        ({"share": 6}, 6),
        ({"room": 3}, 3),
        ({"pending": 2}, 2),
        ({"room": 0}, 0),
        ({"room": -4}, 0),
        ({"share": 0}, 0),
        ({"pending": 0}, 0),
    ],
)
@pytest.mark.parametrize("continuous", [False, True])
def test_the_next_chunk_is_as_large_as_the_tightest_bound(changed: dict[str, int], size: int, continuous: bool) -> None:
    bounds = {"max_concurrent": 20, "in_flight": 0, "pending": 50, "share": 20, "room": 20} | changed
    assert next_size(continuous=continuous, **bounds) == size


def test_a_run_over_its_share_keeps_its_busy_lines_and_takes_no_more() -> None:
    assert next_size(continuous=True, max_concurrent=20, in_flight=8, pending=50, share=4, room=2) == 0


def test_a_chunk_is_asked_about_soon_at_first_and_then_ever_more_slowly() -> None:
    delays = [poll_delay(polls) for polls in range(200)]
    assert delays[0] == timedelta(seconds=1)
    assert delays == sorted(delays)
    assert delays[-1] == timedelta(seconds=15)
    assert poll_delay(10**9) == timedelta(seconds=15)


@given(attempts=st.integers(1, 10**6), chance=st.floats(0, 1))
def test_waiting_grows_with_each_refusal_up_to_about_a_minute(attempts: int, chance: float) -> None:
    wait = backoff(attempts=attempts, asked=None, chance=chance)
    assert timedelta(seconds=1.6) <= wait <= timedelta(seconds=72)
    assert wait <= backoff(attempts=attempts + 4, asked=None, chance=chance)


@given(attempts=st.integers(1, 20), asked=st.floats(0, 3600), chance=st.floats(0, 1))
def test_nobody_asks_again_sooner_than_the_provider_said(attempts: int, asked: float, chance: float) -> None:
    wished = timedelta(seconds=asked)
    assert backoff(attempts=attempts, asked=wished, chance=chance) >= wished


def test_two_who_were_refused_together_do_not_come_back_together() -> None:
    assert backoff(attempts=3, asked=None, chance=0.1) != backoff(attempts=3, asked=None, chance=0.9)


@pytest.mark.parametrize(
    ("quiet_for", "lines"), [(-30, 3), (0, 3), (5, 3), (6, 4), (60, 13), (101, 19), (102, 20), (3600, 20)]
)
def test_learned_room_grows_back_line_by_line(quiet_for: int, lines: int) -> None:
    assert room_learned(limit=20, learned=3, quiet_for=timedelta(seconds=quiet_for)) == lines


def test_learned_room_is_never_more_than_the_limit() -> None:
    assert room_learned(limit=2, learned=9, quiet_for=timedelta(seconds=-1)) == 2
