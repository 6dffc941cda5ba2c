"""What is added one after the other is done by a thread: at once, then together; and never forgotten."""

from __future__ import annotations

import os
import threading
from contextvars import ContextVar

import pytest

from telephony.dialer.burst import Burst
from tests.dialer.threads import eventually

who: ContextVar[str] = ContextVar("who", default="nobody")


class Work:
    """What was done, and for whom; held up where a test wants it."""

    def __init__(self) -> None:
        self.done: list[tuple[int, str]] = []
        self.go_on = threading.Event()
        self.go_on.set()
        self.failing = False

    def __call__(self, number: int) -> None:
        self.done.append((number, who.get()))
        self.go_on.wait(20)
        if self.failing:
            raise ConnectionError


@pytest.fixture
def work() -> Work:
    return Work()


def test_what_is_added_is_done_soon_by_another_thread(work: Work) -> None:
    Burst(work).add(7)
    eventually(lambda: work.done == [(7, "nobody")])


def test_what_is_added_while_the_first_is_done_is_done_once(work: Work) -> None:
    work.go_on.clear()
    burst = Burst(work)
    burst.add(1)
    eventually(lambda: len(work.done) == 1)
    for _ in range(50):
        burst.add(1)
        burst.add(2)
    work.go_on.set()
    eventually(lambda: len(work.done) == 3)
    burst.finish()
    assert sorted(number for number, _ in work.done) == [1, 1, 2]


def test_whoever_waits_for_the_end_finds_everything_done(work: Work) -> None:
    burst = Burst(work)
    for number in range(100):
        burst.add(number)
    burst.finish()
    assert sorted(number for number, _ in work.done) == list(range(100))


def test_it_is_done_in_the_name_of_whoever_added_it_first(work: Work) -> None:
    burst, mark = Burst(work), who.set("ada")
    with burst._doing:
        burst.add(1)
        who.reset(mark)
        burst.add(1)
    burst.finish()
    assert work.done == [(1, "ada")]


def test_what_breaks_keeps_nothing_that_comes_after_from_being_done(work: Work) -> None:
    work.failing, burst = True, Burst(work)
    burst.add(1)
    eventually(lambda: (1, "nobody") in work.done)
    work.failing = False
    burst.add(2)
    eventually(lambda: (2, "nobody") in work.done)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_begins_anew_even_where_the_thread_was_at_work(work: Work) -> None:
    work.go_on.clear()
    burst = Burst(work)
    burst.add(1)
    eventually(lambda: len(work.done) == 1)  # the thread holds its lock
    child = os.fork()
    if child == 0:
        try:
            work.go_on.set()
            burst.add(3)
            burst.finish()
        finally:
            os._exit(0 if [number for number, _ in work.done] == [1, 3] else 1)
    work.go_on.set()
    assert os.waitpid(child, 0)[1] == 0
