"""`./dev screenshots`: the pictures in docs/images, of a server of its own with a demo past and campaigns that run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from aispinner.local.demo import Api
from aispinner.local.environment import ROOT
from aispinner.local.errors import CannotRunError
from aispinner.local.terminal import Screen
from aispinner.local.valkey import free_port

IMAGES = ROOT / "docs" / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SPEED = "12"  # simulated seconds in one: calls are up long enough to be seen
WAIT = 14.0  # seconds for campaigns to get going
DESK, PHONE = {"width": 1360, "height": 900}, {"width": 390, "height": 844}
TALL = {"width": 1360, "height": 1180}  # all of a conversation, and what happened in its call
CAMPAIGNS = (  # node, name, numbers, lines
    ("pbx_abc123", "Autumn check-up reminders", range(2000, 2160), 12),
    ("pbx_demo", "Customer satisfaction, November", range(3000, 3090), 8),
)


def run_screenshots() -> int:
    """Make all pictures anew; 0."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise CannotRunError("Pictures are taken with Chromium: `apt install chromium`, or CHROMIUM=/path/to/it.")
    screen = Screen()
    screen.heading("Screenshots")
    with TemporaryDirectory(prefix="aispinner-", dir="/var/tmp") as folder, _server(Path(folder)) as api:
        started = [_start(api, *campaign) for campaign in CAMPAIGNS]
        time.sleep(WAIT)
        with sync_playwright() as playwright:
            options = ["--no-sandbox"] if os.geteuid() == 0 else []
            browser = playwright.chromium.launch(executable_path=found, args=options)
            for name in _pictures(browser, api.address):
                screen.done(f"docs/images/{name}.png", seconds=0)
            browser.close()
        for call_id in started:
            api.call(f"/telephony/runs/{call_id}/cancel", body={})
    return 0


@contextmanager
def _server(folder: Path) -> Iterator[Api]:
    """`./dev up` in a folder of its own, with the demo data's past; stopped as by Ctrl-C."""
    dev = [sys.executable, "-m", "aispinner.local"]
    state = folder / "state"
    folder.chmod(0o711)  # PostgreSQL runs as nobody where we are root
    port = free_port()
    ports = ["--port", str(port), "--sim-port", str(free_port())]
    env = {**os.environ, "AISPINNER_SIM_SPEED": SPEED}
    log = (folder / "up.log").open("w+")
    up = subprocess.Popen(
        [*dev, "up", "--no-demo", *ports, "--state-dir", str(state)],
        cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        _until_ready(up, folder / "up.log")
        history = [*dev, "manage", "--state-dir", str(state), "demo_data", "--history"]
        answer = subprocess.run(history, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
        token = answer.rpartition('"token": "')[2].partition('"')[0]
        yield Api(address=f"http://127.0.0.1:{port}", token=token)
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(60)
        log.close()


def _until_ready(up: subprocess.Popen[bytes], log: Path) -> None:
    while "Ctrl-C" not in log.read_text():
        if up.poll() is not None:
            raise CannotRunError(f"The server did not start:\n{log.read_text()}")
        time.sleep(0.2)


def _start(api: Api, node: str, name: str, numbers: Sequence[int], lines: int) -> str:
    body: dict[str, Any] = {
        "workspace_id": 1, "node_id": node, "agent_node_id": "agent_xyz", "name": name, "max_concurrent": lines,
        "pacing": "continuous", "numbers": [f"+1555010{number}" for number in numbers],
    }  # fmt: skip
    return str(api.call("/telephony/dialer/start", body=body)["call_id"])


def _pictures(browser: Browser, address: str) -> Iterator[str]:
    desk = browser.new_context(base_url=address, viewport=DESK, color_scheme="light", locale="en-GB")  # type: ignore[arg-type]  # plain dicts
    page = desk.new_page()
    _log_in(page)
    page.set_viewport_size(TALL)  # type: ignore[arg-type]
    yield _picture(_monitor(page), "monitor")
    page.set_viewport_size(DESK)  # type: ignore[arg-type]
    page.goto("/admin/?period=days")
    yield _picture(page, "dashboard")
    page.goto("/admin/telephony/run/")
    page.locator("#result_list tbody a").first.click()
    page.wait_for_url("**/run/*/change/**")
    yield _picture(page, "campaign")
    page.set_viewport_size(TALL)  # type: ignore[arg-type]
    page.goto("/monitor/")
    page.get_by_role("button", name="Answered", exact=True).click()
    page.locator("#calls .call").filter(has_text="Answered").filter(has_text="Success").first.click()
    page.locator("dialog .chat li.caller").first.wait_for()
    page.locator("dialog audio").wait_for()
    yield _picture(page, "call")
    phone = browser.new_context(
        base_url=address, viewport=PHONE, color_scheme="dark", locale="en-GB", device_scale_factor=2,  # type: ignore[arg-type]
        storage_state=desk.storage_state(),
    )  # fmt: skip
    yield _picture(_monitor(phone.new_page()), "monitor-phone")


def _log_in(page: Page) -> None:
    page.goto("/login")
    page.get_by_label("Username").fill("demo")
    page.get_by_label("Password").fill("demo")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/monitor/**")


def _monitor(page: Page) -> Page:
    page.goto("/monitor/")
    page.locator("#connection[data-state=live]").wait_for()
    page.get_by_role("button", name="7 days").click()
    page.locator("figure.chart").nth(2).wait_for()
    return page


def _picture(page: Page, name: str) -> str:
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(2500)  # until what glides has come to rest
    page.screenshot(path=IMAGES / f"{name}.png")
    return name
