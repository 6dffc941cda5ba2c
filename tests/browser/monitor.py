"""The monitor as a person sees it: what tests look at, and what they press."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import requests
from playwright.sync_api import Locator, Page, expect

from tests.stack import Stack


class Monitor:
    """A page that shows the monitor."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def open(self, place: str = "") -> Monitor:
        """Load it; return when it is live."""
        self.page.goto(f"/monitor/{place}")
        self.is_live()
        return self

    def is_live(self) -> None:
        """Wait until it says so."""
        expect(self.page.locator("#connection")).to_have_attribute("data-state", "live", timeout=20_000)

    def campaign(self, name: str) -> Locator:
        """The card of a campaign."""
        return self.page.locator("#campaigns li.campaign").filter(has=self.page.get_by_role("heading", name=name))

    def rows(self) -> Locator:
        """The calls that are drawn."""
        return self.page.locator("#calls .call")

    def show(self, name: str) -> None:
        """Press a filter."""
        self.page.locator("#calls").get_by_role("button", name=name, exact=True).click()

    def show_earlier_campaigns(self) -> None:
        """Unfold those that have ended."""
        self.page.locator("#campaigns details").evaluate("each => { each.open = true; }")

    def states(self) -> dict[str, str]:
        """What is shown of the calls that are drawn: number → state."""
        script = """rows => Object.fromEntries(rows.map(row =>
            [row.querySelector(".call-who b").textContent, row.querySelector(".badge").textContent]))"""
        found: dict[str, str] = self.rows().evaluate_all(script)
        return found

    def states_of(self, calls: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """What ought to be shown of calls that have ended, as the API tells them: number → state."""
        words = self.page.evaluate("JSON.parse(document.getElementById('page').textContent).outcome")
        return {call["subscriber_phone"]: words[call["outcome"]]["label"] for call in calls}

    def shows_the_end_of(self, run: Mapping[str, Any]) -> None:
        """The card of a campaign that is over says what the API says of it."""
        self.show_earlier_campaigns()
        card = self.campaign(run["name"])
        expect(card.locator(".badge")).to_have_text(run["status"].capitalize())
        success, failed, of = run["success_count"], run["failed_count"], run["numbers_count"]
        said = card.locator(".campaign-figures")
        expect(said).to_contain_text(f"{(success + failed) * 100 // of}% {success + failed} of {of}")
        expect(said).to_contain_text(f"{success} reached")
        expect(said).to_contain_text(f"{failed} not reached")


def start(stack: Stack, numbers: Sequence[str], **wishes: Any) -> str:
    """Start a campaign as any client would; its call_id."""
    body = {"workspace_id": 1, "node_id": "pbx_demo", "agent_node_id": "agent_xyz", "numbers": numbers, **wishes}
    return str(stack.post("/telephony/dialer/start", body)["call_id"])


def order(stack: Stack, scripts: dict[str, dict[str, Any]]) -> None:
    """Decide who of the called answers, and for how long they talk (in simulated seconds)."""
    answer = requests.post(stack.simulator + "/_sim/script", json=scripts, timeout=20)
    assert answer.status_code == 200, answer.text
