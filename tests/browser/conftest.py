"""A browser as people have it: Debian's Chromium, logged in to the running server, its console listened to.

Without Chromium these tests are skipped; `AISPINNER_BROWSER=required`, as in .ci/run, makes that a failure.
"""

from __future__ import annotations

import os
import shutil
import wave
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    StorageState,
    WebError,
    expect,
    sync_playwright,
)

from tests.stack import Stack
from tests.voice.sounds import tone

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WITHOUT = "No Chromium on this machine: `apt install chromium`, or CHROMIUM=/path/to/it, and these tests run."
MICROPHONE_HZ = 440
_MICROPHONE_RATE = 48000
_hundreds = count(1)
expect.set_options(timeout=20_000)  # milliseconds; a busy machine is slow, not wrong


def chromium() -> str | None:
    """Where the system's Chromium is."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="package")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody who says one word every three seconds."""
    path = tmp_path_factory.mktemp("microphone") / "word.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_MICROPHONE_RATE)
        word = tone(MICROPHONE_HZ, 0.8, rate=_MICROPHONE_RATE)
        file.writeframes(bytes(2 * _MICROPHONE_RATE) + word + bytes(2 * _MICROPHONE_RATE * 6 // 5))
    return path


@pytest.fixture(scope="package")
def browser(microphone: Path) -> Iterator[Browser]:
    """One for all of these tests, and gone after them: its event loop would be in the way of others'."""
    found = chromium()
    if found is None:
        (pytest.fail if os.environ.get("AISPINNER_BROWSER") == "required" else pytest.skip)(WITHOUT)
    options = ["--autoplay-policy=no-user-gesture-required", f"--use-file-for-fake-audio-capture={microphone}"]
    options += ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    # Chromium's sandbox refuses to work for root, which is who runs tests in containers.
    options += ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
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


@pytest.fixture(scope="package")
def window(browser: Browser, login: StorageState, stack: Stack) -> Iterator[BrowserContext]:
    """One for all of these tests, logged in: it loads scripts and styles once.

    A page stays open in it: with its last page, Chromium ends the process that has compiled them.
    """
    window = browser.new_context(base_url=stack.address, storage_state=login, viewport={"width": 1280, "height": 900})
    window.set_default_timeout(20_000)
    window.new_page().goto("/login")
    yield window
    window.close()


@pytest.fixture
def context(window: BrowserContext, expected: list[str]) -> Iterator[BrowserContext]:
    """The window without what others opened; whatever its pages' consoles called an error fails the test."""
    before = set(window.pages)
    said: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not any(words in message.text for words in expected):
            said.append(f"{message.type}: {message.text} ({message.location['url']})")

    def uncaught(error: WebError) -> None:
        said.append(f"uncaught: {error.error}")

    window.on("console", listen)
    window.on("weberror", uncaught)
    yield window
    for page in set(window.pages) - before:
        page.close()
    window.remove_listener("console", listen)
    window.remove_listener("weberror", uncaught)
    assert not said


@pytest.fixture
def expected() -> list[str]:
    """What the browser itself says of what a test does on purpose, such as going offline: the test adds it."""
    return []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def unused_numbers() -> list[str]:
    """A hundred that no other campaign has called."""
    hundred = next(_hundreds)
    return [f"+1555{700 + hundred // 100:03}{hundred % 100:02}{place:02}" for place in range(100)]


@pytest.fixture
def numbers(stack: Stack) -> Iterator[list[str]]:
    """To be called. A node dials one campaign at a time: what a test leaves running, the next would stumble over."""
    yield unused_numbers()
    for run in stack.get("/telephony/runs", status="running,pausing,paused", workspace_id=1)["runs"]:
        stack.post(f"/telephony/runs/{run['call_id']}/cancel", {"hangup": True})
