"""Every page that a person sees: no error in its console, nothing seriously wrong for who cannot see or use a mouse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page, expect

from tests.browser.monitor import Monitor, start
from tests.stack import Stack, follow

pytestmark = pytest.mark.e2e
SERIOUS = {"serious", "critical"}
COLOURS = ["color-contrast", "link-in-text-block"]  # the rules that the dark can break
AXE = "options => axe.run(options).then((found) => found.violations)"
DRESSED = "scheme => document.documentElement.classList.toggle('dark', scheme === 'dark')"  # the admin: when it loads
SETTLED = """Promise.all(document.getAnimations()
    .filter((each) => each.effect.getTiming().iterations === 1).map((each) => each.finished.catch(() => {})))"""
NUMBERS = """rows => rows.flatMap((row) => [...row.querySelectorAll("td")])
    .map((cell) => Number(cell.textContent.replaceAll(",", "")))"""
PAGES = [
    "/admin/",
    "/admin/telephony/run/",
    "/admin/telephony/call/",
    "/admin/integrations/elevenlabskey/",
    "/admin/agents/agent/",
    "/admin/core/node/add/",
    "/admin/core/auditentry/",
]
ALIKE_KEPT = 4  # made by the same lines of a template, and axe looks at each element for long
THINNED = """kept => {
    const beyond = (elements) => [...elements].slice(kept).forEach((each) => each.remove());
    beyond(document.querySelectorAll(".part .operation"));
    document.querySelectorAll("tbody, pre, .fields, .side ul").forEach(({ children }) => beyond(children));
}"""


def faults(page: Page) -> list[str]:
    """What axe finds serious or critical, in the light and in the dark: rule, element and reason."""
    return [*_faults(page, "light", {}), *_faults(page, "dark", {"runOnly": COLOURS})]


def _faults(page: Page, scheme: Literal["light", "dark"], options: dict[str, Any]) -> list[str]:
    page.emulate_media(color_scheme=scheme)
    page.evaluate(DRESSED, scheme)
    page.evaluate(SETTLED)
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found: list[dict[str, Any]] = page.evaluate(AXE, {"resultTypes": ["violations"], **options})
    return [
        f"{scheme}: {each['id']}: {node['target']} {node['html'][:160]} {node.get('failureSummary', '')[:300]}"
        for each in found
        if each["impact"] in SERIOUS
        for node in each["nodes"]
    ]


@pytest.fixture(scope="package")
def history(stack: Stack) -> Iterator[str]:
    """A campaign that is over, with its calls; its call_id."""
    campaign = start(stack, [f"+155501{place:05}" for place in range(20)], name="For the pages", max_concurrent=20)
    for _ in follow(stack, campaign, until={"completed"}):
        pass
    yield campaign


@pytest.mark.parametrize("width", [1280, 390])
def test_the_monitor_can_be_used_by_everybody(page: Page, history: str, width: int) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 900})
    monitor = Monitor(page).open()
    expect(monitor.rows().first).to_be_visible()
    expect(page.locator("figure.chart")).to_have_count(3)
    assert not faults(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "wider than the window"
    monitor.rows().first.click()
    expect(page.locator("dialog .timeline li").first).to_be_visible()
    assert not faults(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Start a campaign").first.click()
    expect(page.get_by_label("Numbers")).to_be_focused()
    assert not faults(page)


def test_the_login_page_can_be_used_by_everybody(browser: Browser, stack: Stack) -> None:
    context = browser.new_context(base_url=stack.address)
    page = context.new_page()
    for path in ("/login", "/admin/login/"):
        page.goto(path)
        expect(page.get_by_label("Username")).to_be_visible()
        assert not faults(page), path
    context.close()


@pytest.mark.parametrize("path", PAGES)
def test_other_pages_can_be_used_by_everybody(page: Page, history: str, path: str) -> None:
    page.goto(path)
    page.evaluate(THINNED, ALIKE_KEPT)
    assert not faults(page)


def test_the_apis_description_can_be_used_by_everybody(page: Page) -> None:
    page.goto("/api/docs")
    page.evaluate(THINNED, ALIKE_KEPT)
    expect(page.locator(".part .operation")).to_have_count(ALIKE_KEPT)
    for closed in page.locator(".part summary").all()[:6]:
        closed.click()
    assert not faults(page)


def test_a_campaigns_and_a_calls_page_in_the_admin_can_be_used_by_everybody(page: Page, history: str) -> None:
    for model in ("run", "call"):
        page.goto(f"/admin/telephony/{model}/")
        page.locator("#result_list tbody a").first.click()
        page.wait_for_url(f"**/{model}/*/change/**")
        page.evaluate(THINNED, ALIKE_KEPT)
        assert not faults(page), model


def test_the_charts_tell_in_a_table_what_the_rows_say(page: Page, stack: Stack, history: str) -> None:
    Monitor(page).open()
    figure = page.locator("figure.chart").first
    figure.locator("summary").click()
    shown = figure.locator("tbody tr").evaluate_all(NUMBERS)
    today = page.evaluate("(() => { const day = new Date(); day.setHours(0, 0, 0, 0); return day.toISOString(); })()")
    told = stack.get("/telephony/statistics", workspace_id=1, date_from=today)
    assert sum(shown) == told["total"] - told["by_status"]["cancelled"] > 0
    expect(page.locator("#figures strong").first).to_have_text(f"{sum(shown):,}")
