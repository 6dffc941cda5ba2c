"""Most requests are counted in memory: a process takes a slice of the rate, and hands it out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from aispinner.core import broker, throttling
from aispinner.core.models import ApiToken
from aispinner.core.throttling import LARGEST_SLICE, Slice, TokenThrottle

Ask = Callable[[], bool]


class Clock:
    """Time as this process sees it."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def nothing_counted_yet() -> Iterator[None]:
    broker.client().delete(broker.key("rate:1"))
    yield
    throttling.forget()


@pytest.fixture
def ask() -> Ask:
    """A request of one token: whether it may be answered."""
    request: Any = SimpleNamespace(auth=ApiToken(pk=1))
    view: Any = None
    return lambda: TokenThrottle().allow_request(request, view)


def taken() -> int:
    """What all processes have taken of the rate."""
    return int(str(broker.client().get(broker.key("rate:1")) or 0))


def test_valkey_is_asked_once_for_a_hundredth_of_the_rate(ask: Ask, settings: Any) -> None:
    settings.API_RATE = (400, 60)
    seen = []
    for _ in range(9):
        assert ask()
        seen.append(taken())
    assert seen == [4, 4, 4, 4, 8, 8, 8, 8, 12]


def test_a_slice_has_an_end_however_high_the_rate(ask: Ask, settings: Any) -> None:
    settings.API_RATE = (1_000_000, 60)
    assert ask()
    assert taken() == LARGEST_SLICE


def test_two_processes_answer_no_more_than_the_rate_and_fewer_by_a_slice_at_most(
    ask: Ask, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.API_RATE = (405, 60)
    here, there = throttling._slices, dict[str, Slice]()
    assert [ask() for _ in range(34)].count(False) == 0
    monkeypatch.setattr(throttling, "_slices", there)
    assert [ask() for _ in range(500)].count(True) == 405 - 36
    monkeypatch.setattr(throttling, "_slices", here)
    assert [ask() for _ in range(4)] == [True, True, False, False]


def test_many_threads_lose_nothing_of_what_they_take(ask: Ask, settings: Any) -> None:
    settings.API_RATE = (800, 60)
    with ThreadPoolExecutor(8) as threads:
        answered = sum(threads.map(lambda _: ask(), range(700)))
    while ask():
        answered += 1
    assert answered == 800


def test_a_slice_ends_with_the_time_it_was_taken_for(ask: Ask, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.API_RATE = (400, 60)
    clock = Clock()
    monkeypatch.setattr(throttling, "time", clock)
    assert ask()
    clock.now += 59
    assert (ask(), taken()) == (True, 4)
    clock.now += 2
    assert (ask(), taken()) == (True, 8)


def test_the_memory_has_an_end(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling, "REMEMBERED", 2)
    for number in range(5):
        throttling._keep(str(number), Slice(3, until=float("inf")))
        assert len(throttling._slices) <= 2
