"""A process of its own that does what people do: starts campaigns, pauses, resumes and cancels them, and tries again
where nobody answers. Each answer is a line of JSON: which campaign, what was done, and when it was asked and answered.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from tests.chaos.plan import Campaign

LOOK_EVERY = 0.3
AT_REST = {"completed", "failed", "cancelled"}
_open = build_opener(ProxyHandler({})).open
_writing = threading.Lock()
Json = dict[str, Any]


def _ended(run: Json) -> float:
    """The part of a run's numbers whose calls have ended."""
    return float(run["success_count"] + run["failed_count"]) / float(run["numbers_count"])


@dataclass(frozen=True, kw_only=True)
class Person:
    """One thread: somebody with a campaign."""

    campaign: Campaign
    address: str
    token: str
    began: float  # Unix seconds
    patience: float  # seconds for one wish

    def live(self) -> None:
        """Everything that is done with the campaign."""
        self._wait_until(self.campaign.starts_at)
        body = {
            "workspace_id": 1,
            "node_id": self.campaign.node_id,
            "name": self.campaign.name,
            "numbers": self.campaign.numbers,
            "max_concurrent": self.campaign.max_concurrent,
            "pacing": self.campaign.pacing,
        }
        started = self._wish("start", "/telephony/dialer/start", body)
        if started is None:
            return
        run = f"/telephony/runs/{started['call_id']}"
        if self.campaign.pauses_after is not None:
            self._wait_for(run, lambda told: _ended(told) >= (self.campaign.pauses_after or 0))
            paused = self._wish("pause", f"{run}/pause", {})
            if paused is not None and self.campaign.resumes:
                self._wait_for(run, lambda told: told["status"] == "paused")
                self._wish("resume", f"{run}/resume", {})
        if self.campaign.cancels_after is not None:
            self._wait_for(run, lambda told: _ended(told) >= (self.campaign.cancels_after or 0))
            self._wish("cancel", f"{run}/cancel", {})

    def _wait_until(self, at: float) -> None:
        time.sleep(max(0.0, self.began + at - time.time()))

    def _wait_for(self, run: str, seen: Callable[[Json], bool]) -> None:
        """Until that is seen of the run, or it has ended, or our patience has."""
        deadline = time.time() + self.patience
        while time.time() < deadline:
            try:
                told = self._ask("GET", run)
            except (OSError, HTTPException):
                told = None
            if told is not None and (seen(told) or told["status"] in AT_REST):
                return
            time.sleep(LOOK_EVERY)

    def _wish(self, did: str, path: str, body: Any) -> Any:
        """Ask until there is an answer; the answer, None where it was no (it is too late) or never came."""
        asked = time.time()
        tries = 0
        while time.time() < asked + self.patience:
            tries += 1
            try:
                answer = self._ask("POST", path, body)
            except HTTPError as refused:
                if refused.code < 500 and refused.code != 429:
                    self._tell(did, "refused", first_asked=asked, tries=tries, code=refused.code)
                    return None
                time.sleep(LOOK_EVERY)
            except (OSError, HTTPException):
                time.sleep(LOOK_EVERY)
            else:
                self._tell(did, "answered", first_asked=asked, tries=tries, run=answer.get("call_id"))
                return answer
        self._tell(did, "gave up", first_asked=asked, tries=tries)
        return None

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Idempotency-Key": f"{self.campaign.name} {path}",
        }
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.address + path, data=data, headers=headers, method=method)
        with _open(request, timeout=20) as answer:
            return json.load(answer)

    def _tell(self, did: str, how: str, **more: Any) -> None:
        line = {"campaign": self.campaign.name, "did": did, "how": how, "at": time.time(), **more}
        with _writing:
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()


def main() -> None:
    """`python -m tests.chaos.people FILE`: the campaigns, and what all people have in common."""
    given = json.loads(Path(sys.argv[1]).read_text())
    campaigns = [Campaign(**each) for each in given.pop("campaigns")]
    people = [Person(campaign=campaign, **given) for campaign in campaigns]
    threads = [threading.Thread(target=person.live) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
