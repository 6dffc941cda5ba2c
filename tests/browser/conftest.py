"""A browser as people have it: Debian's Chromium, logged in to the running server, its console listened to.

Without Chromium these tests are skipped; `AISPINNER_BROWSER=required`, as in .ci/run, makes that a failure.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from itertools import count

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, StorageState, expect, sync_playwright

from tests.stack import Stack

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WITHOUT = "No Chromium on this machine: `apt install chromium`, or CHROMIUM=/path/to/it, and these tests run."
_hundreds = count(1)
expect.set_options(timeout=20_000)  # milliseconds; a busy machine is slow, not wrong


def chromium() -> str | None:
    """Where the system's Chromium is."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One for all of these tests, and gone after them: its event loop would be in the way of others'."""
    found = chromium()
    if found is None:
        (pytest.fail if os.environ.get("AISPINNER_BROWSER") == "required" else pytest.skip)(WITHOUT)
    with sync_playwright() as playwright:
        # Chromium's sandbox refuses to work for root, which is who runs tests in containers.
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        options.append("--autoplay-policy=no-user-gesture-required")
        browser = playwright.chromium.launch(executable_path=found, args=options)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def login(browser: Browser, stack: Stack) -> StorageState:
    """The cookies of the demo user, who has logged in by the form."""
    context = browser.new_context(base_url=stack.address)
    page = context.new_page()
    page.goto("/login")
    page.get_by_label("Username").fill("demo")
    page.get_by_label("Password").fill("demo")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/monitor/**")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def context(browser: Browser, login: StorageState, stack: Stack, expected: list[str]) -> Iterator[BrowserContext]:
    """A window of its own, logged in; whatever its pages' consoles called an error fails the test."""
    context = browser.new_context(base_url=stack.address, storage_state=login, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(20_000)
    said: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not any(words in message.text for words in expected):
            said.append(f"{message.type}: {message.text} ({message.location['url']})")

    context.on("console", listen)
    context.on("weberror", lambda error: said.append(f"uncaught: {error.error}"))
    yield context
    context.close()
    assert not said


@pytest.fixture
def expected() -> list[str]:
    """What the browser itself says of what a test does on purpose, such as going offline: the test adds it."""
    return []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture
def numbers() -> list[str]:
    """Numbers that no other campaign has called."""
    hundred = next(_hundreds)
    return [f"+1555{700 + hundred // 100:03}{hundred % 100:02}{place:02}" for place in range(100)]


@pytest.fixture(autouse=True)
def nothing_left_running(stack: Stack) -> Iterator[None]:
    """A node dials one campaign at a time: what a test leaves running, the next would stumble over."""
    yield
    for run in stack.get("/telephony/runs", status="running,pausing,paused", workspace_id=1)["runs"]:
        stack.post(f"/telephony/runs/{run['call_id']}/cancel")
