"""Chaos in small, each time the tests are run; and that its plans reach everything and its verdict misses nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from aispinner.core.crash_points import Point
from tests.chaos.plan import Plan, plan_for, points_of
from tests.chaos.storm import Evidence
from tests.chaos.verdict import judge

ROOT = Path(__file__).resolve().parents[2]
Json = dict[str, Any]


@pytest.mark.e2e
def test_killed_processes_cost_no_number_and_dial_none_twice(tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    options = ["--mild", "--numbers", "40", "--storm", "4", "--least-faults", "4", "--json", str(found)]
    lent = os.environ.get("AISPINNER_LENT", "").split()
    env = {name: value for name, value in os.environ.items() if name not in lent}
    argv = [sys.executable, "-m", "aispinner.local", "chaos", *options]
    ended = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    [seed] = json.loads(found.read_text())["seeds"]
    assert (seed["numbers"], seed["twice"], seed["violations"]) == (40, 0, [])


@pytest.mark.unit
def test_a_few_seeds_in_a_row_arm_every_crash_point() -> None:
    armed = Counter(point for seed in range(1, 21) for point in points_of(seed))
    assert set(armed) == set(Point)
    assert min(armed.values()) >= 4


@pytest.mark.unit
def test_a_seed_is_at_least_three_campaigns_and_three_hundred_different_numbers_always_the_same() -> None:
    plan = plan_for(7)
    assert plan == plan_for(7)
    numbers = [number for campaign in plan.campaigns for number in campaign.numbers]
    assert len(plan.campaigns) >= 3
    assert len(set(numbers)) == len(numbers) >= 300
    assert {campaign.pacing for campaign in plan.campaigns} == {"chunked", "continuous"}


class World:
    """A small plan that went well, as evidence; tests then bend it."""

    def __init__(self) -> None:
        self.plan: Plan = plan_for(3, size=20)
        self.evidence = Evidence(at_rest=True, faults=Counter(kill=10))
        calls, runs, chunks = [], {}, {}
        for place, campaign in enumerate(self.plan.campaigns):
            run = f"camp_{place}"
            status = "cancelled" if campaign.cancels_after else "completed"
            runs[run] = {"name": campaign.name, "status": status, "wait_reason": "", "in_flight": 0, "pending": 0}
            chunks[f"chunk_{place}"] = run
            for number in campaign.numbers:
                call = {"call_id": f"c{number}", "run__call_id": run, "subscriber_phone": number}
                calls.append({**call, "status": "done", "reason": "", "conversation_id": f"conv{number}"})
                self.dial(number, place)
        left = {"open_chunks": 0, "receipts_left": 0, "strangers": 0, "gaps": 0}
        self.evidence.rows = {"runs": runs, "calls": calls, "chunks": chunks, **left}

    def dial(self, number: str, batch: int) -> None:
        line = {"number": number, "recipient_id": f"c{number}", "conversation_id": f"conv{number}"}
        times = {"batch_id": f"btcal_{batch}", "dispatched_at": 10.0, "placed_at": 10.1, "ended_at": 10.2}
        self.evidence.ledger += [{"event": event, **line, **times} for event in ("placed", "ended")]

    def violations(self, *, lines: int = 100) -> str:
        return "\n".join(judge(self.plan, self.evidence, lines=lines).violations)


@pytest.mark.unit
def test_what_went_well_breaks_no_promise() -> None:
    assert World().violations() == ""


@pytest.mark.unit
def test_a_number_dialled_twice_is_noticed() -> None:
    world = World()
    world.dial(world.plan.campaigns[0].numbers[0], 0)
    assert "a number was dialled 2 times" in world.violations()


@pytest.mark.unit
def test_a_number_never_dialled_is_noticed() -> None:
    world = World()
    missed = world.plan.campaigns[0].numbers[0]
    world.evidence.ledger = [line for line in world.evidence.ledger if line["number"] != missed]
    assert "a number was never dialled" in world.violations()
    assert "was never dialled" in world.violations()


@pytest.mark.unit
def test_a_submission_after_a_pause_was_answered_is_noticed_unless_the_campaign_was_resumed() -> None:
    world = World()
    name = world.plan.campaigns[2].name
    pause = {"campaign": name, "did": "pause", "how": "answered", "first_asked": 4.0, "at": 5.0}
    world.evidence.answers = [pause]
    world.evidence.ledger.append({"event": "batch_calling.submit", "name": "chunk_2", "at": 6.0})
    assert "1 submissions after its pause was answered" in world.violations()
    resume = {"campaign": name, "did": "resume", "how": "answered", "first_asked": 5.5, "at": 5.6}
    world.evidence.answers = [pause, resume]
    assert world.violations() == ""


@pytest.mark.unit
def test_a_dial_of_a_cancelled_batch_is_noticed() -> None:
    world = World()
    world.evidence.ledger.append({"event": "cancelled", "batch_id": "btcal_3", "at": 9.9})
    assert "a batch that was cancelled" in world.violations()


@pytest.mark.unit
def test_more_calls_than_the_account_has_lines_are_noticed() -> None:
    assert "20 calls at once on an account of 19" in World().violations(lines=19)


@pytest.mark.unit
@pytest.mark.parametrize("status", ["running", "pausing", "paused"])
def test_a_campaign_that_does_not_come_to_its_end_is_noticed(status: str) -> None:
    world = World()
    world.evidence.rows["runs"]["camp_0"]["status"] = status
    assert f"is {status}" in world.violations()


@pytest.mark.unit
def test_a_storm_in_which_little_happened_but_lost_webhooks_proves_nothing() -> None:
    world = World()
    world.evidence.faults = Counter(kill=3, webhook_dropped=30)
    assert "only 3 faults" in world.violations()
