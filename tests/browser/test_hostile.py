"""Whatever people and providers write is shown as they wrote it, and nothing else happens."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.monitor import Monitor, order, start
from tests.stack import Stack, follow

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack")]
SCRIPT = '"><img src=x onerror="window.harmed=1"><script>window.harmed=1</script>'
ODD = "\u202eÜnïcödé\u202c \U0001f469\U0001f3fd\u200d\U0001f680 e\u0337\u031b\u035av\u0336il \ufdfd " + "W" * 120
NAMES = (SCRIPT, ODD, "{{ 7 * 7 }}${7*7}</textarea><!--", "' OR 1=1; --")
TALK = {"outcome": "answered", "ring_secs": 1, "talk_secs": 60}
UNHARMED = "() => window.harmed === undefined && document.documentElement.scrollWidth <= innerWidth"


@pytest.fixture
def campaign(stack: Stack, numbers: list[str]) -> Iterator[str]:
    """A campaign that is over, of whose names, words and judgements each is an attempt at something else."""
    order(stack, dict.fromkeys(numbers[:2], TALK))
    campaign = start(stack, numbers[:2], name=SCRIPT, max_concurrent=2)
    for _ in follow(stack, campaign, until={"completed"}):
        pass
    turns = [{"role": "agent", "message": SCRIPT, "time_in_call_secs": 0}]
    turns.append({"role": "user", "message": ODD, "time_in_call_secs": 2})
    said = "UPDATE telephony_call SET summary = %s, transcript = %s, reason = %s FROM telephony_run r"
    stack.sql(f"{said} WHERE r.id = run_id AND r.call_id = %s", SCRIPT, json.dumps(turns), SCRIPT, campaign)
    stack.sql("UPDATE core_node SET title = title || %s", SCRIPT)
    stack.sql("UPDATE agents_agent SET name = name || %s, first_message = first_message || %s", SCRIPT, SCRIPT)
    stack.sql("UPDATE core_workspace SET name = name || %s", SCRIPT)
    yield campaign
    for table, column in (
        ("core_node", "title"), ("agents_agent", "name"), ("agents_agent", "first_message"), ("core_workspace", "name"),
    ):  # fmt: skip
        stack.sql(f"UPDATE {table} SET {column} = replace({column}, %s, '')", SCRIPT)


def test_what_people_wrote_is_text_on_every_page(page: Page, stack: Stack, campaign: str) -> None:
    call_id = stack.journal(campaign)[0]["call_id"]
    for name in NAMES:
        assert stack.request("PATCH", f"/telephony/runs/{campaign}/name", json={"name": name}).status_code == 200
        monitor = Monitor(page).open(f"#{call_id}")
        drawer = page.get_by_role("dialog", name="Call with")
        expect(drawer.locator(".chat li.agent p")).to_contain_text(SCRIPT)
        expect(drawer.locator(".summary")).to_have_text(SCRIPT)
        page.keyboard.press("Escape")
        monitor.show_earlier_campaigns()
        expect(monitor.campaign(name)).to_be_visible()
        assert page.evaluate(UNHARMED), name
    _in_the_admin(page, stack, campaign)


def _in_the_admin(page: Page, stack: Stack, campaign: str) -> None:
    assert stack.request("PATCH", f"/telephony/runs/{campaign}/name", json={"name": SCRIPT}).status_code == 200
    for place in ("", "telephony/run/", "telephony/call/", "agents/agent/", "core/node/", "core/auditentry/"):
        page.goto(f"/admin/{place}")
        assert page.evaluate(UNHARMED), place
    for model in ("run", "call"):
        page.goto(f"/admin/telephony/{model}/")
        page.locator("#result_list tbody a").first.click()
        page.wait_for_url(f"**/{model}/*/change/**")
        expect(page.locator("#content")).to_contain_text(SCRIPT)
        assert page.evaluate(UNHARMED), model
    page.goto("/try/1/agent_xyz")
    assert page.evaluate(UNHARMED)


def test_a_file_of_results_runs_no_formula(stack: Stack, campaign: str) -> None:
    stack.sql("UPDATE telephony_call SET summary = '=HYPERLINK(\"http://x\")'")
    text = stack.request("GET", f"/telephony/runs/{campaign}/results.csv").text
    assert "'=HYPERLINK" in text
    assert ",=HYPERLINK" not in text
    assert ',"=HYPERLINK' not in text
