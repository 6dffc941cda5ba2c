"""How busy the lines of a campaign are: both pacings of the real dispatcher, in whole houses, against the simulator.

The simulator's ledger says when each call was placed and when it ended. From the same lengths, in the same order, the
ideal is computed: a line that is free takes the next number at once. Lines are watched at the provider's own pace, a
call of a minute and an analysis of seconds. Our other pacing, `chunked`, waits for a whole chunk, so that this would
take hours: against it, both dial with everything of the provider's FAST times faster, and nothing of ours. What
continuous pacing gains, it gains from chunk to chunk, and both have the longest call at their end: against each other
they dial some dozens of chunks, as a campaign of a day does.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from heapq import heapify, heapreplace
from pathlib import Path
from typing import Any

from tests.bench.rows import Figures, Goal, Row, Together
from tests.bench.servers import ROOT
from tests.stack import Stack, _token, free_port

FAST = 8  # simulated seconds in one; a call takes more than eight
LISTENS = {1: 0.5, FAST: 0.125}  # `HEAR_ENDS_SECONDS`: as it is unless set; and as one machine can
IN_LIFE: Mapping[int, int] = {5: 36, 20: 130, 100: 500}  # numbers, by lines: some ten minutes each
COMPARED: Mapping[int, int] = {5: 250, 20: 700, 100: 1500}  # the same
FASTER = {5: 2.0, 20: 2.9, 100: 3.2}  # than chunked
CONTINUOUS, CHUNKED = "continuous", "chunked"
PATIENCE = 1800.0  # seconds
_Span = tuple[float, float]  # placed, ended


def dialled() -> Mapping[str, Figures]:
    """Figures of all campaigns, by pacing; of continuous ones, how busy their lines are is that of life.

    Those are dialled one after the other, as both want a machine that does nothing else. Chunks mostly wait, and are
    dialled beside both; how much longer they took than their calls is told, so that it can be seen what that cost them.
    """
    with ThreadPoolExecutor() as pool:
        chunked = pool.submit(_at_home, CHUNKED, FAST, COMPARED)
        life = _at_home(CONTINUOUS, 1, IN_LIFE)
        fast = _at_home(CONTINUOUS, FAST, COMPARED)
    hurried = {f"{name}, {FAST} times faster": value for name, value in fast.items()}
    return {CONTINUOUS: {**life, **hurried}, CHUNKED: chunked.result()}


def _at_home(pacing: str, speed: int, campaigns: Mapping[int, int]) -> Figures:
    """All of the campaigns beside each other, in a house of their own."""
    with house(speed=speed) as stack:
        stack.sql("UPDATE integrations_account SET concurrency_limit = 190, next_look_at = NULL")
        started = {lines: _start(stack, lines, numbers, pacing) for lines, numbers in campaigns.items()}
        until = time.monotonic() + PATIENCE
        while any(stack.get(f"/telephony/runs/{run}")["status"] != "completed" for run in started.values()):
            assert time.monotonic() < until, "the campaigns do not end"
            time.sleep(1)
        ledger = [entry for entry in stack.ledger() if entry["ended_at"]]
    figures: dict[str, float] = {}
    for lines, numbers in campaigns.items():
        spans = sorted((e["placed_at"], e["ended_at"]) for e in ledger if e["number"].startswith(_prefix(lines)))
        assert len(spans) == numbers, "not every number was dialled once"
        figures |= _figures(spans, lines)
        if pacing == CHUNKED:
            took, at_once = figures[f"{lines}: took s"], ideal_chunks([end - start for start, end in spans], lines)
            figures[f"{lines}: of chunk after chunk at once"] = took / at_once
    return figures


def _figures(spans: Sequence[_Span], lines: int) -> Figures:
    lengths = [ended - placed for placed, ended in spans]
    took = max(ended for _, ended in spans) - spans[0][0]
    return {
        f"{lines}: mean call s": sum(lengths) / len(lengths),
        f"{lines}: busy": busy(spans, lines),
        f"{lines}: took s": took,
        f"{lines}: ideal s": ideal(lengths, lines),
        f"{lines}: of ideal": took / ideal(lengths, lines),
    }


def busy(spans: Sequence[_Span], lines: int) -> float:
    """The part of the lines' time that was spent in calls, until the last number was dialled."""
    first, last = spans[0][0], spans[-1][0]
    return sum(min(ended, last) - placed for placed, ended in spans) / (lines * (last - first))


def ideal(lengths: Sequence[float], lines: int) -> float:
    """Seconds from the first call to the last one's end, if every free line took the next number at once."""
    free = [0.0] * lines
    heapify(free)
    for length in lengths:
        heapreplace(free, free[0] + length)
    return max(free)


def ideal_chunks(lengths: Sequence[float], lines: int) -> float:
    """Seconds that chunks take, each begun in the moment in which the last call of the one before has ended."""
    return sum(max(lengths[place : place + lines]) for place in range(0, len(lengths), lines))


@contextlib.contextmanager
def house(*, speed: int) -> Iterator[Stack]:
    """`./dev up --no-demo` with everything in it, and a provider at that speed; gone afterwards."""
    lent = os.environ.get("AISPINNER_LENT", "").split()
    env = {name: value for name, value in os.environ.items() if name not in lent}
    env |= {"AISPINNER_SIM_SPEED": str(speed), "BREAKER_IN_A_ROW": "0", "BREAKER_WINDOW": "0", "API_RATE": "off"}
    env["HEAR_ENDS_SECONDS"] = str(LISTENS[speed])
    web, simulator = free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="aispinner-") as state:
        options = ["--no-demo", "--port", str(web), "--sim-port", str(simulator), "--state-dir", state]
        process = subprocess.Popen(
            [sys.executable, "-m", "aispinner.local", "up", *options],
            cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            token = _token(process)
            environment = json.loads((Path(state) / "environment.json").read_text())
            yield Stack(f"http://127.0.0.1:{web}", f"http://127.0.0.1:{simulator}", token, environment, process)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
            if process.stdout:
                process.stdout.close()


def _start(stack: Stack, lines: int, size: int, pacing: str) -> str:
    demo: Any = next(node for node in stack.get("/workspaces/1/nodes")["nodes"] if node["node_id"] == "pbx_demo")
    node = {"node_id": f"pbx_{lines}", "type": "ai.pbx", "connections": demo["connections"], "config": demo["config"]}
    made = stack.request("POST", "/workspaces/1/nodes", json=node)
    assert made.status_code == 201, made.text
    numbers = [f"{_prefix(lines)}{place:04}" for place in range(size)]
    body = {"workspace_id": 1, "node_id": node["node_id"], "numbers": numbers, "max_concurrent": lines}
    run: str = stack.post("/telephony/dialer/start", {**body, "pacing": pacing})["call_id"]
    return run


def _prefix(lines: int) -> str:
    return f"+1555{lines:03}"


def _goals(lines: int) -> tuple[Goal, ...]:
    return (
        Goal(
            what=f"{lines} lines busy until the last number is dialled",
            figure=lambda mine, _theirs: mine[f"{lines}: busy"],
            at_least=0.98,
        ),
        Goal(
            what=f"{lines} lines: of the ideal sliding window",
            figure=lambda mine, _theirs: mine[f"{lines}: of ideal"],
            at_most=1.03,
            unit="x",
        ),
        Goal(
            what=f"{lines} lines: faster than chunked",
            figure=lambda mine, theirs: theirs[f"{lines}: took s"] / mine[f"{lines}: took s, {FAST} times faster"],
            at_least=FASTER[lines],
            unit="x",
        ),
    )


_all = Together(dialled)
LINES = Row(
    name="lines",
    says="the lines of three campaigns at the provider's pace; and, faster, against chunked pacing of the same numbers",
    measure=_all.side(CONTINUOUS),
    rival=_all.side(CHUNKED),
    rounds=1,
    goals=tuple(goal for lines in FASTER for goal in _goals(lines)),
)
