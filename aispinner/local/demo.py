"""The demo campaign, started and watched as any client would: through the HTTP API."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from aispinner.local.terminal import Screen

NUMBERS = tuple(f"+155501001{last:02}" for last in range(40))  # reserved for fiction
CAMPAIGN = {
    "workspace_id": 1,
    "node_id": "pbx_demo",
    "name": "Demo campaign",
    "numbers": NUMBERS,
    "max_concurrent": 10,
}
NOT_READY = 503
FINAL = frozenset({"completed", "failed", "cancelled"})
PLAIN_EVERY = 3.0  # seconds between two lines of progress where nobody watches
PATIENCE = 300.0  # seconds; after that the rest can be watched in the admin

_open = build_opener(ProxyHandler({})).open  # a proxy has no business with loopback addresses


class Api:
    """A minimal client of our own API."""

    def __init__(self, *, address: str, token: str = "") -> None:
        self.address = address
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def call(self, path: str, *, body: Mapping[str, object] | None = None, timeout: float = 10.0) -> Any:
        """GET `path`, or POST `body` to it; the JSON answer. HTTPError where refused, URLError where nobody answers."""
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.address + path, data=data, headers=self._headers)  # noqa: S310 - our own address
        with _open(request, timeout=timeout) as answer:
            return json.load(answer)

    def answers(self, path: str) -> bool:
        """Whether `path` answers 200 by now."""
        request = Request(self.address + path, headers=self._headers)  # noqa: S310 - our own address
        try:
            with _open(request, timeout=2.0) as answer:
                return bool(answer.status == 200)
        except (OSError, HTTPException):  # URLError and HTTPError are OSErrors
            return False

    def ages(self) -> dict[str, float | None]:
        """Seconds since the last sign of life of worker and beat, which /readyz tells; empty where it does not."""
        try:
            checks = self.call("/readyz", timeout=2.0)["checks"]
        except HTTPError as not_ready:
            with not_ready:
                checks = json.load(not_ready).get("checks", {}) if not_ready.code == NOT_READY else {}
        except (OSError, HTTPException):
            return {}
        return {who: check.get("age_sec") for who, check in checks.items()}

    def is_known(self) -> bool:
        """Whether the server takes our token."""
        try:
            self.call("/telephony/runs?workspace_id=1&limit=1")
        except HTTPError as refused:
            return refused.code not in {401, 403}
        return True


class Vitals:
    """Who has shown signs of life since we began to look; asks the server twice a second at most."""

    def __init__(self, *, api: Api) -> None:
        self._api = api
        self._began = self._asked_at = time.monotonic()
        self._alive: set[str] = set()

    def show(self, who: str) -> bool:
        """Whether `who` (worker, beat) has: a sign older than our looking is of an earlier run."""
        now = time.monotonic()
        if who not in self._alive and now - self._asked_at > 0.5:
            self._asked_at = now
            ages = self._api.ages()
            self._alive |= {name for name, age in ages.items() if age is not None and age < now - self._began}
        return who in self._alive


def start_campaign(*, api: Api, screen: Screen) -> str | None:
    """Start 40 calls; the campaign's call_id, or None (and a sentence) where the server refuses."""
    try:
        started = api.call("/telephony/dialer/start", body=CAMPAIGN)
    except HTTPError as refused:
        screen.note(f"The demo campaign was refused ({refused.code}): {refused.read().decode(errors='replace')[:500]}")
        return None
    call_id = str(started["call_id"])
    screen.heading(f"Demo campaign {call_id}: {len(NUMBERS)} numbers, {CAMPAIGN['max_concurrent']} at once")
    return call_id


def follow_campaign(*, api: Api, screen: Screen, call_id: str, wait: Callable[[float], bool]) -> None:
    """Draw its progress until it ends, our patience does, or `wait` says that it is time to stop."""
    began = shown_at = time.monotonic()
    while wait(0.25):
        try:
            run = api.call(f"/telephony/runs/{call_id}")
        except (HTTPError, URLError, TimeoutError, ConnectionError) as error:
            screen.remark(f"the web server does not answer ({type(error).__name__}); trying again")
            if not wait(2.0):
                return
            continue
        words, elapsed = progress_words(run), time.monotonic() - began
        is_over = run["status"] in FINAL
        if screen.is_live or is_over or time.monotonic() - shown_at >= PLAIN_EVERY:
            ended = run["numbers_count"] - run["pending_count"] - run["in_flight_count"]
            clock = f"{int(elapsed) // 60}:{int(elapsed) % 60:02}"
            screen.progress(part=ended / max(1, run["numbers_count"]), words=[clock, *words])
            shown_at = time.monotonic()
        if is_over:
            screen.done(f"campaign {run['status']}", seconds=elapsed)
            return
        if elapsed > PATIENCE:
            screen.remark("it takes longer than expected; watch the rest in the admin")
            return


def progress_words(run: Mapping[str, Any]) -> list[str]:
    """The counts of a campaign, in words."""
    words = [
        f"{run['success_count']} answered",
        f"{run['failed_count']} not",
        f"{run['in_flight_count']} on the line",
        f"{run['pending_count']} to go",
    ]
    return words if run["status"] in {"running", *FINAL} else [str(run["status"]), *words]
