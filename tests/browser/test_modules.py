"""The monitor's pure parts, asked in a browser: what is listed, what is drawn, when it tries again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.monitor import Monitor

pytestmark = pytest.mark.e2e
Ask = Callable[..., Any]
CALL = {
    "status": "done", "outcome": "answered", "parent_call_id": "camp_1", "subscriber_phone": "+15550100123",
    "call_id": "call_1", "conversation_id": "conv_1", "summary": "Agreed to Friday.",
    "transcript": [{"role": "agent", "message": "Hello Ada!"}],
}  # fmt: skip


@pytest.fixture(scope="module")
def ask(window: BrowserContext) -> Ask:
    """Call a module's function in a page."""
    page = window.new_page()
    page.goto("/login")

    def call(module: str, expression: str, value: object = None) -> Any:
        return page.evaluate(
            f"async value => {{ const m = await import('/static/monitor/{module}.js'); return {expression}; }}", value
        )

    return call


@pytest.mark.parametrize(
    ("filter_", "matches"),
    [
        ({}, True),
        ({"choice": "answered"}, True),
        ({"choice": "live"}, False),
        ({"choice": "busy"}, False),
        ({"run": "camp_1"}, True),
        ({"run": "camp_2"}, False),
        ({"q": "0100123"}, True),
        ({"q": "hello ADA"}, True),
        ({"q": "conv_1"}, True),
        ({"q": "conv"}, False),
        ({"q": "friday", "choice": "voicemail"}, False),
    ],
)
def test_a_call_is_listed_as_the_server_would_list_it(ask: Ask, filter_: dict[str, str], matches: bool) -> None:
    assert ask("filters", "m.matches(value[0], {...m.NONE, ...value[1]})", [CALL, filter_]) is matches


def test_only_what_can_be_seen_is_drawn(ask: Ask) -> None:
    seen = ask("window", "m.visible({top: -58000, view: 900, height: 58, total: 5000, spare: 8})")
    assert seen == {"first": 992, "last": 1024}
    assert ask("window", "m.visible({top: 300, view: 900, height: 58, total: 3})") == {"first": 0, "last": 3}
    assert ask("window", "m.visible({top: -9000, view: 900, height: 58, total: 3})") == {"first": 3, "last": 3}


def test_rows_stay_in_the_order_of_the_journal_and_come_once(ask: Ask) -> None:
    script = """(() => {
        const rows = [];
        for (const id of [5, 1, 9, 5, 7]) m.insert(rows, { id });
        return rows.map((row) => row.id);
    })()"""
    assert ask("window", script) == [9, 7, 5, 1]


def test_it_waits_longer_after_each_failure_and_never_too_long(ask: Ask) -> None:
    waits = ask("socket", "[0, 1, 2, 3, 20].map(failures => m.backoff(failures, 1))")
    assert waits == [500, 1000, 2000, 4000, 20_000]
    assert ask("socket", "m.backoff(20, 0)") == 10_000


def test_the_highest_version_stays_whatever_comes_when(ask: Ask) -> None:
    script = """(() => {
        const store = m.createStore({ schedule: () => {} });
        for (const version of [3, 5, 4]) store.putCall({ call_id: "call_1", version, status: `v${version}` });
        return [store.calls.get("call_1").status, store.putEvent({ id: 1 }), store.putEvent({ id: 1 })];
    })()"""
    assert ask("store", script) == ["v5", True, False]


def test_numbers_are_taken_as_people_paste_them(ask: Ask) -> None:
    found = ask(
        "numbers", "m.parseNumbers(value)", "+1 (555) 010-0123, +15550100124;\n\n+1.555.010.0123\n+15550100125\t"
    )
    assert found == {
        "numbers": ["+15550100123", "+15550100124", "+15550100125"],
        "lines": [1, 1, 4],
        "duplicates": 1,
    }


@pytest.mark.parametrize(("highest", "top"), [(0, 3), (1, 3), (7, 9), (46, 60), (100, 150), (1200, 1500)])
def test_an_axis_ends_at_a_round_number_above_everything(ask: Ask, highest: int, top: int) -> None:
    found = ask("scales", "m.axis(value)", highest)
    assert found["top"] >= highest
    assert all(float(tick).is_integer() for tick in found["ticks"])
    assert found["top"] <= max(3, highest * 2)


def test_thousands_of_calls_are_a_few_rows_on_the_page(page: Page) -> None:
    Monitor(page).open()
    found = page.evaluate((Path(__file__).parent / "thousands.js").read_text().removesuffix(";\n"))
    assert found["rows"] < 60
    assert found["height"] == 5000 * 58
    assert found["longest"] < 1000  # milliseconds, on a busy machine; some 30 on a quiet one


def test_an_event_tells_its_facts_in_words_and_ids_as_they_are(ask: Ask) -> None:
    data = {"conversation_id": "conv_a1", "duration_sec": 65, "reason": "no_answer", "by": 7}
    told = ask("call", "m.wordsOf({type: 'conversation', data: value}, {outcome: {}, call_status: {}})", data)
    assert (told["label"], told["facts"]) == ("Conversation begun", ["conv_a1", "1:05", "No answer"])
