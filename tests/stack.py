"""The whole thing, as a user starts it: `./dev up` with its real processes, reached over HTTP alone."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

ROOT = Path(__file__).parents[1]
FAST = "600"  # simulated seconds in one
PBX_SPEED = "40"  # of the simulated PBX, where sound takes its time


@dataclass(frozen=True)
class Stack:
    """A running server and simulator, and the demo user's token."""

    address: str
    simulator: str
    token: str
    environment: Mapping[str, str]
    process: subprocess.Popen[str]

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        return requests.request(method, self.address + path, headers=headers, timeout=60, **options)

    def get(self, path: str, **params: Any) -> Any:
        answer = self.request("GET", path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        answer = self.request("POST", path, json=body or {})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ledger(self) -> list[dict[str, Any]]:
        """Every dial that the simulator placed."""
        entries: list[dict[str, Any]] = requests.get(self.simulator + "/_sim/ledger", timeout=60).json()["entries"]
        return entries

    def journal(self, campaign: str) -> list[dict[str, Any]]:
        """All calls of a campaign, page by page."""
        calls: list[dict[str, Any]] = []
        params: dict[str, Any] = {"parent_call_id": campaign, "limit": 1000}
        while True:
            page = self.get("/telephony/journal", **params)["calls"]
            calls += page
            if len(page) < 1000:
                return calls
            params["before_id"] = page[-1]["id"]

    def sql(self, statement: str, *values: Any) -> None:
        """Change what an operator would change in the admin."""
        with psycopg.connect(self.environment["DATABASE_URL"]) as connection:
            connection.execute(statement, values)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """`./dev up --no-demo`, at high speed, in a state directory of its own; stopped by Ctrl-C, and then all gone."""
    state = tmp_path_factory.mktemp("state")
    web, simulator = free_port(), free_port()
    lent = os.environ.get("AISPINNER_LENT", "").split()  # by `./dev test`, for the tests themselves
    ours = {"AISPINNER_SIM_SPEED": FAST, "AISPINNER_PBX_SPEED": PBX_SPEED, "API_RATE": "off"}
    env = {name: value for name, value in os.environ.items() if name not in lent} | ours
    options = ["--no-demo", "--port", str(web), "--sim-port", str(simulator), "--state-dir", str(state)]
    process = subprocess.Popen(
        [sys.executable, "-m", "aispinner.local", "up", *options],
        cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        token = _token(process)
        environment = json.loads((state / "environment.json").read_text())
        yield Stack(f"http://127.0.0.1:{web}", f"http://127.0.0.1:{simulator}", token, environment, process)
    finally:
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, said
        assert "Nothing is left running." in said


def _token(process: subprocess.Popen[str]) -> str:
    """Read what `./dev up` prints until it is ready."""
    assert process.stdout is not None
    said, token = [], ""
    for line in process.stdout:
        said.append(line)
        if found := re.match(r"\s*Token\s+(\S+)", line):
            token = found[1]
        if "Ctrl-C" in line:
            return token
    raise AssertionError("".join(said))


def follow(
    stack: Stack, campaign: str, *, until: set[str], within: float = 120, token: str = ""
) -> Iterator[dict[str, Any]]:
    """The campaign again and again, until its status is one of `until`; seen by the demo user, or by `token`'s."""
    deadline = time.monotonic() + within
    headers = {"Authorization": f"Bearer {token or stack.token}"}
    while time.monotonic() < deadline:
        answer = stack.request("GET", f"/telephony/runs/{campaign}", headers=headers)
        assert answer.status_code == 200, answer.text
        run = answer.json()
        yield run
        if run["status"] in until:
            return
        time.sleep(0.05)  # how often a client looks
    raise AssertionError(f"not {until} within {within} s: {run}")
