"""The live monitor in a browser: what happens on the server is seen without a reload, whatever the network does."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, WebSocketRoute, expect

from tests.browser.monitor import Monitor, order, start
from tests.stack import Stack, follow

pytestmark = pytest.mark.e2e
TALK = {"outcome": "answered", "ring_secs": 1, "talk_secs": 60}
LONG = {"outcome": "answered", "ring_secs": 5, "talk_secs": 480}  # 0.8 seconds, the longest that the agent may talk
WATCH = """() => {
    window.seenLive = new Set();
    new MutationObserver(() => {
        for (const row of document.querySelectorAll("#calls .call.is-live")) {
            window.seenLive.add(row.querySelector(".call-who b").textContent);
        }
    }).observe(document.getElementById("calls"), { subtree: true, childList: true, attributes: true });
}"""
PLAYABLE = """() => { const { readyState, duration } = document.querySelector("dialog audio");
    return readyState >= HTMLMediaElement.HAVE_METADATA && Number.isFinite(duration); }"""
MOVED_ON = """since => { const { paused, currentTime } = document.querySelector("dialog audio");
    return !paused && currentTime > since + 0.5; }"""


def test_a_campaign_is_started_renamed_paused_and_resumed_from_the_page(page: Page, numbers: list[str]) -> None:
    monitor = Monitor(page).open()
    page.get_by_role("button", name="Start a campaign").first.click()
    dialog = page.get_by_role("dialog", name="Start a campaign")
    dialog.get_by_label("Numbers").fill("\n".join([*numbers[:60], numbers[0]]))
    expect(dialog).to_contain_text("60 numbers, 1 duplicate left out")
    dialog.get_by_label("Name").fill("From the page")
    dialog.get_by_label("Call from").select_option("pbx_demo")
    dialog.get_by_label("Agent").select_option("agent_xyz")
    dialog.get_by_label("Lines at once").fill("3")
    dialog.get_by_role("button", name="Call 60 numbers").click()
    expect(dialog).to_be_hidden()

    card = monitor.campaign("From the page")
    card.get_by_role("button", name="Rename").click()
    page.get_by_label("Name of the campaign").fill("Spring reminders")
    page.get_by_role("button", name="Save").click()
    card = monitor.campaign("Spring reminders")
    card.get_by_role("button", name="Pause").click()
    expect(card.get_by_text("Paused", exact=True)).to_be_visible()
    card.get_by_role("button", name="Resume").click()
    expect(card.get_by_text("Running", exact=True)).to_be_visible()
    monitor.show_earlier_campaigns()  # where it will be as soon as its last call has ended
    card.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel the campaign").click()
    expect(card.get_by_text("Cancelled", exact=True)).to_be_visible()


def test_bad_numbers_are_named_by_their_lines_and_nothing_is_started(
    page: Page, stack: Stack, expected: list[str]
) -> None:
    Monitor(page).open()
    before = stack.get("/telephony/runs")["total"]
    page.get_by_role("button", name="Start a campaign").first.click()
    dialog = page.get_by_role("dialog", name="Start a campaign")
    expected.append("status of 422")
    dialog.get_by_label("Numbers").fill("+15550100123\nhello\n12")
    dialog.get_by_role("button", name="Call 3 numbers").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Line 2 (hello)")
    expect(dialog.get_by_role("alert")).to_contain_text("Line 3 (12)")
    assert stack.get("/telephony/runs")["total"] == before


def test_calls_change_before_ones_eyes_and_end_as_the_journal_says(
    page: Page, stack: Stack, numbers: list[str]
) -> None:
    order(stack, dict.fromkeys(numbers[:6], LONG))
    monitor = Monitor(page).open()
    page.evaluate(WATCH)
    campaign = start(stack, numbers[:10], name="Before ones eyes", max_concurrent=10)
    monitor.campaign("Before ones eyes").get_by_role("button", name="Before ones eyes", exact=True).click()
    expect(monitor.rows()).to_have_count(10)
    for _ in follow(stack, campaign, until={"completed"}):
        pass
    expect(page.locator("#calls .call.is-live")).to_have_count(0)
    assert monitor.states() == monitor.states_of(stack.journal(campaign))
    monitor.shows_the_end_of(stack.get(f"/telephony/runs/{campaign}"))
    assert set(numbers[:6]) <= set(page.evaluate("[...window.seenLive]")), "seen only when they were over, or reloaded"


def test_a_call_is_opened_while_it_lasts_and_its_conversation_turns_up(
    page: Page, stack: Stack, numbers: list[str]
) -> None:
    order(stack, {numbers[0]: LONG})
    monitor = Monitor(page).open()
    start(stack, numbers[:1], name="One call")
    monitor.rows().filter(has_text=numbers[0]).click()
    drawer = page.get_by_role("dialog", name=f"Call with {numbers[0]}")
    expect(drawer).to_contain_text("What is said appears here")
    expect(drawer.locator(".chat li.agent").first).to_be_visible()
    expect(drawer.locator(".chat li.caller").first).to_be_visible()
    expect(drawer.locator(".timeline")).to_contain_text("Transcript received")
    expect(drawer.locator(".summary")).not_to_be_empty()
    assert page.url.endswith(f"#{stack.get('/telephony/journal', q=numbers[0])['calls'][0]['call_id']}")


def test_a_recording_is_listened_to_from_any_turn(page: Page, stack: Stack, numbers: list[str]) -> None:
    order(stack, {numbers[0]: TALK})
    for _ in follow(stack, start(stack, numbers[:1]), until={"completed"}):
        pass
    call_id = stack.get("/telephony/journal", q=numbers[0])["calls"][0]["call_id"]
    Monitor(page).open(f"#{call_id}")
    audio = page.locator("dialog audio")
    page.wait_for_function(PLAYABLE)
    assert 55 <= audio.evaluate("element => element.duration") <= 65
    turns = page.locator("dialog .chat").get_by_role("button", name="Listen from")
    at = float(page.locator("dialog .chat li").nth(1).get_attribute("data-at") or 0)
    turns.nth(1).click()
    expect(page.locator("dialog .chat li.is-now")).to_have_count(1)
    expect(audio).to_have_js_property("paused", value=False)
    heard = audio.evaluate("element => element.currentTime")
    assert heard >= at
    page.wait_for_function(MOVED_ON, arg=heard)


def test_after_a_cut_it_comes_back_by_itself_and_nothing_was_missed(
    page: Page, stack: Stack, numbers: list[str]
) -> None:
    sockets: list[WebSocketRoute] = []
    is_cut = False

    def pass_on(socket: WebSocketRoute) -> None:
        if is_cut:
            socket.close(code=1011)
        else:
            socket.connect_to_server()
            sockets.append(socket)

    page.route_web_socket("**/ws/events*", pass_on)
    monitor = Monitor(page).open()
    order(stack, dict.fromkeys(numbers[:6], LONG))
    campaign = start(stack, numbers[:12], name="Through the cut", max_concurrent=12)
    monitor.campaign("Through the cut").get_by_role("button", name="Through the cut", exact=True).click()
    is_cut = True
    sockets[-1].close(code=1011)
    expect(page.locator("#banner")).to_contain_text("Trying again in")
    for _ in follow(stack, campaign, until={"completed"}):
        pass
    is_cut = False
    monitor.is_live()
    expect(page.locator("#banner")).to_be_hidden()
    expect(page.locator("#calls .call.is-live")).to_have_count(0)
    assert len(monitor.states()) == 12
    assert monitor.states() == monitor.states_of(stack.journal(campaign))
    expect(page.locator("#calls [data-part=count]")).to_contain_text("12 found")
    monitor.shows_the_end_of(stack.get(f"/telephony/runs/{campaign}"))


def test_without_a_network_it_says_so_and_goes_on_when_there_is_one(
    page: Page, context: BrowserContext, stack: Stack, numbers: list[str], expected: list[str]
) -> None:
    monitor = Monitor(page).open()
    expected.append("net::ERR_INTERNET_DISCONNECTED")
    context.set_offline(True)
    expect(page.locator("#banner")).to_contain_text("You are offline")
    campaign = start(stack, numbers[:5], name="Behind its back", max_concurrent=5)
    for _ in follow(stack, campaign, until={"completed"}):
        pass
    assert not set(numbers[:5]) & set(monitor.states())
    context.set_offline(False)
    monitor.is_live()
    for number in numbers[:5]:
        expect(monitor.rows().filter(has_text=number)).to_be_visible()
    journal = monitor.states_of(stack.journal(campaign))
    assert {number: monitor.states()[number] for number in journal} == journal


def test_it_is_worked_by_the_keyboard_alone(page: Page, stack: Stack, numbers: list[str]) -> None:
    for _ in follow(stack, start(stack, numbers[:4], max_concurrent=4), until={"completed"}):
        pass
    monitor = Monitor(page).open()
    expect(monitor.rows().first).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.locator("#calls .call[tabindex='0']").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    third = page.locator("#calls .call[aria-rowindex='4']")
    expect(third).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("dialog.drawer")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    expect(third).to_be_focused()


def test_search_finds_what_was_said(page: Page, stack: Stack, numbers: list[str]) -> None:
    order(stack, {numbers[0]: TALK})
    for _ in follow(stack, start(stack, numbers[:2], max_concurrent=2), until={"completed"}):
        pass
    said = stack.get("/telephony/journal", q=numbers[0])["calls"][0]["transcript"][-1]["message"]
    monitor = Monitor(page).open()
    page.get_by_role("searchbox").fill(said)
    expect(monitor.rows().filter(has_text=numbers[0])).to_be_visible()
    page.get_by_role("searchbox").fill("nobody ever said this")
    expect(page.get_by_role("heading", name="No call matches")).to_be_visible()
    page.get_by_role("button", name="Show all calls").click()
    expect(monitor.rows().first).to_be_visible()
