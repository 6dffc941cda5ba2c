"""A voice bridge that is killed: its calls end within seconds, and the next one can be had."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from aispinner.local.guard import stat_of
from tests.simulator.helpers import eventually
from tests.stack import Stack
from tests.voice.browser import in_a_call, talked_in_browser

pytestmark = pytest.mark.e2e


def bridge_of(stack: Stack) -> int:
    """The process id of the server's bridge."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        pid = path.parent.name
        stat = stat_of(pid)
        if stat and int(stat[1]) == stack.process.pid and path.read_bytes().endswith(b"manage.py\0voice\0"):
            return int(pid)
    raise AssertionError("there is no bridge")


def test_a_killed_bridges_calls_end_and_another_takes_over(stack: Stack) -> None:
    with in_a_call(stack) as call_id:
        os.kill(bridge_of(stack), signal.SIGKILL)
        killed = time.monotonic()
        eventually(lambda: stack.get(f"/telephony/journal/call/{call_id}")["ended_at"], within=30)
        took = time.monotonic() - killed
    call = stack.get(f"/telephony/journal/call/{call_id}")
    assert (call["status"], call["outcome"], call["reason"]) == ("failed", "error", "bridge_lost")
    assert took < 15
    eventually(lambda: stack.request("GET", "/readyz").ok)
    eventually(lambda: _has_bridge(stack), within=30)
    talked_in_browser(stack)


def _has_bridge(stack: Stack) -> bool:
    answer = stack.request("POST", "/webcall/start", json={"agent_node_id": "agent_xyz", "sdp": "v=0"})
    return answer.status_code == 422  # somebody has looked at the offer
