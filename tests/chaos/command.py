"""`./dev chaos`: seed after seed in one house, a line for each, the table at the end; 1 where a promise was broken."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from aispinner.core.crash_points import Point
from aispinner.local.errors import StoppedError as StoppedWhileStarting
from aispinner.local.terminal import Screen
from tests.chaos.house import LINES, House, SmallHouse, house
from tests.chaos.over_pbx import over_pbx
from tests.chaos.plan import plan_for
from tests.chaos.storm import Evidence, StoppedError, Storm
from tests.chaos.verdict import Verdict, judge

COLUMNS = (
    "seed",
    "faults",
    "points",
    "webhooks",
    "numbers",
    "once",
    "twice",
    "never",
    "lost_sight",
    "gaps",
    "calm",
    "seconds",
)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    options = argparse.ArgumentParser(prog="./dev chaos", description=__doc__)
    options.add_argument("--stack", choices=["elevenlabs", "custom_voice"], default="elevenlabs", help="what dials")
    options.add_argument("--seed", type=int, default=1, help="the first seed (default: 1)")
    options.add_argument("--seeds", type=int, default=1, help="how many, one after the other (default: 1)")
    options.add_argument("--minutes", type=float, help="go on with further seeds for so long")
    options.add_argument("--numbers", type=int, default=310, help="of all campaigns of a seed (default: 310)")
    options.add_argument("--storm", type=float, default=20.0, help="seconds of faults in each seed (default: 20)")
    options.add_argument("--away", type=float, default=0.0, help="seconds for which all workers are stopped in it, too")
    options.add_argument("--mild", action="store_true", help="few faults: a taste of it")
    options.add_argument("--least-faults", type=int, default=10, help="fewer prove nothing (default: 10)")
    options.add_argument("--json", type=Path, help="write everything that was found there")
    options.add_argument("--keep", action="store_true", help="keep the folder with all logs")
    return options


class Report:
    """What the seeds have shown so far."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.seeds: list[dict[str, object]] = []
        self.points: Counter[str] = Counter({point.value: 0 for point in Point})
        self.faults: Counter[str] = Counter()
        self.violations = 0

    def heading(self) -> None:
        """The names of the columns."""
        self.screen.heading("  ".join(f"{name:>10}" for name in COLUMNS))

    def add(self, seed: int, evidence: Evidence, verdict: Verdict) -> None:
        """A line for a seed, and one for everything that it has broken."""
        row = {
            "seed": seed,
            **asdict(verdict),
            "points": sum(evidence.points.values()),
            "calm": round(evidence.calm, 1),
            "seconds": round(evidence.seconds, 1),
            "points_fired": dict(evidence.points),
            "faults_seen": dict(evidence.faults),
        }
        self.seeds.append(row)
        self.points.update(evidence.points)
        self.faults.update(evidence.faults)
        self.violations += len(verdict.violations)
        self.screen.remark("  ".join(f"{row[name]!s:>10}" for name in COLUMNS))
        for violation, times in Counter(verdict.violations).most_common(20):
            self.screen.failed(violation, detail=f"{times} times" if times > 1 else "")

    def close(self) -> None:
        """The table of everything that was seen to happen."""
        self.screen.heading("Seen to happen")
        for name, times in sorted(self.faults.items()):
            self.screen.fact(f"{times:>6}", name)
        self.screen.heading("Crash points at which a process died")
        for name, times in sorted(self.points.items()):
            self.screen.fact(f"{times:>6}", name)
        numbers, once = (sum(int(str(row[name])) for row in self.seeds) for name in ("numbers", "once"))
        told = f"{self.violations} promises broken" if self.violations else "No promise broken"
        self.screen.note(f"{told}: {len(self.seeds)} seeds, {numbers} numbers, {once} of them dialled, each once.")

    def as_json(self) -> str:
        """Everything, for machines."""
        whole = {"seeds": self.seeds, "points": self.points, "faults": self.faults, "violations": self.violations}
        return json.dumps(whole, indent=2, default=str) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Play the seeds; 1 where anything that always holds did not hold."""
    options = parser().parse_args(arguments)
    if options.stack == "custom_voice":
        return over_pbx(options)
    report = Report(Screen())
    try:
        with house(keep=options.keep, kind=SmallHouse if options.mild else House) as ours:
            report.screen.remark(f"logs in {ours.folder}" if options.keep else "everything is up")
            report.heading()
            _play(ours, options, report)
    except (StoppedError, StoppedWhileStarting):
        report.screen.note("Stopped.")
    report.close()
    if options.json:
        options.json.write_text(report.as_json())
    return 1 if report.violations or not report.seeds else 0


def _play(ours: House, options: argparse.Namespace, report: Report) -> None:
    until = time.monotonic() + (options.minutes or 0) * 60
    seed = options.seed
    while seed < options.seed + options.seeds or time.monotonic() < until:
        plan = plan_for(seed, size=options.numbers, storm=options.storm, away=options.away, mild=options.mild)
        evidence = Storm(ours, plan).play()
        report.add(seed, evidence, judge(plan, evidence, lines=LINES, least_faults=options.least_faults))
        seed += 1


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aispinner.settings")
    sys.exit(main(sys.argv[1:]))
