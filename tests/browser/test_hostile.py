"""Whatever people and providers write is shown as they wrote it, and nothing else happens."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, expect

from tests.browser.conftest import unused_numbers
from tests.browser.monitor import Monitor, order, start
from tests.stack import Stack, follow

pytestmark = pytest.mark.e2e
SCRIPT = '"><img src=x onerror="window.harmed=1"><script>window.harmed=1</script>'
ODD = "\u202eÜnïcödé\u202c \U0001f469\U0001f3fd\u200d\U0001f680 e\u0337\u031b\u035av\u0336il \ufdfd " + "W" * 120
NAMES = (SCRIPT, ODD, "{{ 7 * 7 }}${7*7}</textarea><!--", "' OR 1=1; --")
TALK = {"outcome": "answered", "ring_secs": 1, "talk_secs": 60}
LONG = {"outcome": "answered", "ring_secs": 5, "talk_secs": 480}  # 0.8 seconds, the longest that the agent may talk
UNHARMED = "() => window.harmed === undefined && document.documentElement.scrollWidth <= innerWidth"


@pytest.fixture(scope="module")
def campaign(stack: Stack) -> Iterator[str]:
    """A campaign that is over, of whose names, words and judgements each is an attempt at something else."""
    numbers = unused_numbers()
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


def test_what_people_wrote_is_text_in_the_monitor(page: Page, stack: Stack, campaign: str) -> None:
    monitor = Monitor(page).open(f"#{stack.journal(campaign)[0]['call_id']}")
    drawer = page.get_by_role("dialog", name="Call with")
    expect(drawer.locator(".chat li.agent p")).to_contain_text(SCRIPT)
    expect(drawer.locator(".summary")).to_have_text(SCRIPT)
    assert _is_unharmed(page)
    page.keyboard.press("Escape")
    monitor.show_earlier_campaigns()
    for name in (*reversed(NAMES), SCRIPT):
        assert stack.request("PATCH", f"/telephony/runs/{campaign}/name", json={"name": name}).status_code == 200
        expect(monitor.campaign(name)).to_be_visible()
        assert _is_unharmed(page), name


def test_what_people_wrote_is_text_in_the_admin(page: Page, campaign: str) -> None:
    for place in ("", "telephony/run/", "telephony/call/", "agents/agent/", "core/node/", "core/auditentry/"):
        page.goto(f"/admin/{place}")
        assert _is_unharmed(page), place
    for model in ("run", "call"):
        page.goto(f"/admin/telephony/{model}/")
        page.locator("#result_list tbody a").first.click()
        page.wait_for_url(f"**/{model}/*/change/**")
        expect(page.locator("#content")).to_contain_text(SCRIPT)
        assert _is_unharmed(page), model
    page.goto("/try/1/agent_xyz")
    assert _is_unharmed(page)


def _is_unharmed(page: Page) -> bool:
    """Nothing that was written has run, and the page is not wider than the window, nor than a phone's."""
    wide = page.evaluate(UNHARMED)
    page.set_viewport_size({"width": 390, "height": 900})
    narrow = page.evaluate(UNHARMED)
    page.set_viewport_size({"width": 1280, "height": 900})
    return bool(wide and narrow)


def test_a_file_of_results_runs_no_formula(stack: Stack, campaign: str) -> None:
    formula = "UPDATE telephony_call SET summary = '=HYPERLINK(\"http://x\")' FROM telephony_run r"
    stack.sql(f"{formula} WHERE r.id = run_id AND r.call_id = %s", campaign)
    text = stack.request("GET", f"/telephony/runs/{campaign}/results.csv").text
    assert "'=HYPERLINK" in text
    assert ",=HYPERLINK" not in text
    assert ',"=HYPERLINK' not in text


def test_who_is_logged_out_meanwhile_is_told_and_can_go_on(
    browser: Browser, login: StorageState, stack: Stack, numbers: list[str]
) -> None:
    order(stack, dict.fromkeys(numbers[:50], LONG))
    start(stack, numbers[:50], name="While logged out", max_concurrent=1)
    context = browser.new_context(base_url=stack.address, storage_state=login)
    page, admin = context.new_page(), context.new_page()
    monitor = Monitor(page).open()
    admin.goto("/admin/")
    context.clear_cookies()
    monitor.campaign("While logged out").get_by_role("button", name="Pause").click()
    expect(page.locator("#toasts")).to_contain_text("You are logged out.")
    page.reload()
    page.wait_for_url("**/login?next=**")
    expect(admin.locator("[data-live-note]")).to_have_text("You are logged out. Load the page again to log in.")
    context.close()


def test_two_windows_agree_and_the_later_one_is_told(
    page: Page, context: BrowserContext, stack: Stack, numbers: list[str], expected: list[str]
) -> None:
    order(stack, dict.fromkeys(numbers[:50], LONG))
    campaign = start(stack, numbers[:50], name="In two windows", max_concurrent=1)
    one, other = (Monitor(each).open().campaign("In two windows") for each in (page, context.new_page()))
    one.get_by_role("button", name="Pause").click()
    other.get_by_role("button", name="Resume").click()
    one.get_by_role("button", name="Pause").click()
    expect(other.get_by_role("button", name="Resume")).to_be_visible()
    page.route("**/resume", lambda route: (stack.post(f"/telephony/runs/{campaign}/cancel"), route.continue_()))
    expected.append("status of 409")
    one.get_by_role("button", name="Resume").click()
    expect(page.locator("#toasts")).to_contain_text("cancelled")


def test_a_viewer_who_presses_what_an_editor_may_is_refused(
    page: Page, stack: Stack, numbers: list[str], expected: list[str]
) -> None:
    order(stack, dict.fromkeys(numbers[:50], LONG))
    start(stack, numbers[:50], name="Only to be watched", max_concurrent=1)
    monitor = Monitor(page).open()
    expected.append("status of 403")
    stack.sql("UPDATE core_membership SET role = 'viewer'")
    try:
        monitor.campaign("Only to be watched").get_by_role("button", name="Pause").click()
        expect(page.locator("#toasts")).to_contain_text("viewer")
        monitor.open()
        expect(monitor.campaign("Only to be watched")).to_be_visible()
        expect(page.get_by_role("button", name="Pause")).to_have_count(0)
        expect(page.get_by_role("button", name="Start a campaign")).to_have_count(0)
    finally:
        stack.sql("UPDATE core_membership SET role = 'owner'")


def test_a_campaign_that_is_gone_is_said_to_be(
    page: Page, stack: Stack, numbers: list[str], expected: list[str]
) -> None:
    campaign = start(stack, numbers[:1], name="Soon gone")
    for _ in follow(stack, campaign, until={"completed"}):
        pass
    monitor = Monitor(page).open()
    monitor.show_earlier_campaigns()
    monitor.campaign("Soon gone").get_by_role("button", name="Rename").click()
    stack.sql("UPDATE telephony_run SET call_id = 'camp_elsewhere' WHERE call_id = %s", campaign)
    expected.append("status of 404")
    page.get_by_label("Name of the campaign").fill("Too late")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#toasts")).to_contain_text("not found")
    expect(page.get_by_label("Name of the campaign")).to_have_value("Too late")
