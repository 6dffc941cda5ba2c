"""A simulator that is killed goes on where it was: as the provider would, whatever becomes of one of its machines."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.simulator.helpers import Caller, Json, Listener, eventually, numbers

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def simulator(folder: Path, port: int, *, end: signal.Signals = signal.SIGTERM) -> Iterator[Caller]:
    """One life of the simulator that keeps its things in `folder`."""
    options = ["--port", str(port), "--speed", "200", "--concurrency", "10"]
    files = ["--state", str(folder / "simulator.json"), "--ledger", str(folder / "ledger")]
    argv = [sys.executable, "-m", "integrations.elevenlabs.simulator", *options, *files]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        caller = Caller(f"http://127.0.0.1:{port}")
        try:
            eventually(lambda: _answers(caller))
            yield caller
        finally:
            caller.http.close()
            process.send_signal(end)


def _answers(caller: Caller) -> bool:
    try:
        return caller.http.get("/_sim/state").status_code == 200
    except httpx.ConnectError:
        return False


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
def test_every_number_of_a_batch_is_dialled_once_over_three_lives(
    tmp_path: Path, free_port: int, listener: Listener, end: signal.Signals
) -> None:
    called = numbers(60)
    with simulator(tmp_path, free_port, end=end) as caller:
        caller.attach_webhook(listener.url)
        batch_id = caller.submit(called)
        eventually(lambda: len(caller.ledger()) >= 15)
    with simulator(tmp_path, free_port, end=end) as caller:
        assert len(caller.ledger()) >= 15
        eventually(lambda: len(caller.ledger()) >= 40)
    with simulator(tmp_path, free_port) as caller:
        batch = eventually(lambda: _completed(caller, batch_id), within=20)
        assert all(one["conversation_id"] for one in batch["recipients"])
        assert Counter(entry["number"] for entry in caller.ledger()) == Counter(called)
        assert caller.get("/_sim/state")["in_flight"] == 0
        eventually(lambda: _all_settled(caller), within=20)
        told = {heard["conversation_id"] for heard in caller.ledger()}
        eventually(lambda: _told(listener) == told, within=20)
    lines = [json.loads(line) for line in (tmp_path / "ledger").read_text().splitlines()]
    assert Counter(line["number"] for line in lines if line["event"] == "placed") == Counter(called)


def test_what_was_cancelled_stays_cancelled_and_orders_stay_in_force(tmp_path: Path, free_port: int) -> None:
    with simulator(tmp_path, free_port, end=signal.SIGKILL) as caller:
        caller.faults({"fault": "system_busy", "endpoint": "user.get", "times": 2})
        assert caller.http.get("/v1/user").status_code == 429
        batch_id = caller.submit(numbers(60))
        eventually(lambda: len(caller.ledger()) >= 5)
        caller.post(f"/v1/convai/batch-calling/{batch_id}/cancel")
    with simulator(tmp_path, free_port) as caller:
        statuses = [caller.http.get("/v1/user").status_code for _ in range(2)]
        assert statuses == [429, 200]
        batch = caller.get(f"/v1/convai/batch-calling/{batch_id}")
        assert batch["status"] == "cancelled"
        undialled = [one for one in batch["recipients"] if one["status"] == "cancelled"]
        assert len(undialled) >= 40
        eventually(lambda: caller.get("/_sim/state")["in_flight"] == 0, within=20)
        assert len(caller.ledger()) == 60 - len(undialled)


def _completed(caller: Caller, batch_id: str) -> Json | None:
    batch: Json = caller.get(f"/v1/convai/batch-calling/{batch_id}")
    return batch if batch["status"] == "completed" else None


def _told(listener: Listener) -> set[str]:
    return {json.loads(heard.body)["data"]["conversation_id"] for heard in list(listener.heard)}


def _all_settled(caller: Caller) -> bool:
    return set(caller.get("/_sim/state")["accounts"]["default"]["conversations"]) <= {"done", "failed"}
