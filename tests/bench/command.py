"""`./dev bench [name …]`: every row, or those that are named; one table; 1 where a promise was not kept."""

from __future__ import annotations

import argparse
import json
import traceback
from collections.abc import Sequence
from pathlib import Path

from tests.bench.campaign import CAMPAIGN
from tests.bench.cursors import CURSORS
from tests.bench.http import AUTH, DELTA, LAST_CALLS
from tests.bench.journal import JOURNAL
from tests.bench.lines import LINES
from tests.bench.plot import draw
from tests.bench.rows import Outcome, Row, run, spread
from tests.bench.servers import ROOT
from tests.bench.sockets import SOCKETS
from tests.bench.voice import VOICE
from tests.bench.webhooks import WEBHOOKS

ROWS: tuple[Row, ...] = (
    *(JOURNAL, LAST_CALLS, DELTA, CURSORS, AUTH),
    *(CAMPAIGN, LINES, WEBHOOKS, SOCKETS, VOICE),
)
FIGURES, PLOT = ROOT / ".state" / "bench" / "figures.json", ROOT / ".state" / "bench" / "speed.svg"
WIDTHS = (12, 58, 14, 14, 6)


def main(arguments: Sequence[str]) -> int:
    """Measure, and say what came of it."""
    said = parser().parse_args(arguments)
    chosen = [row for row in ROWS if not said.names or row.name in said.names]
    if said.quick:
        chosen = [row.small() for row in chosen if row.quick]
    outcomes, broke = measure_all(chosen, rounds=said.rounds)
    for outcome in outcomes:
        details(outcome)
    print(table(outcomes), flush=True)
    keep(
        outcomes,
        figures=said.json or (None if said.quick else FIGURES),
        plot=said.plot or (None if said.quick else PLOT),
    )
    if broke:
        print(f"\nNot measured, for the reasons above: {', '.join(broke)}.", flush=True)
        return 1
    return 0 if said.quick or all(kept for outcome in outcomes for _, _, kept in outcome.verdicts()) else 1


def keep(outcomes: Sequence[Outcome], *, figures: Path | None, plot: Path | None) -> None:
    """Write and draw what was measured where it is wanted, and say where that is."""
    for path in filter(None, (figures, plot)):
        path.parent.mkdir(parents=True, exist_ok=True)
    if figures:
        figures.write_text(json.dumps([outcome.as_json() for outcome in outcomes], indent=2) + "\n")
        say(f"every figure: {figures}")
    if plot and draw(outcomes, plot):
        say(f"drawn: {plot}")


def measure_all(rows: Sequence[Row], *, rounds: int | None) -> tuple[list[Outcome], list[str]]:
    """What came of each row, and the names of those that broke: an hour's figures are not lost with one of them."""
    outcomes, broke = [], []
    for row in rows:
        try:
            outcomes.append(run(row, rounds=rounds or row.rounds, told=say))
        except Exception:  # noqa: BLE001 - whatever it was, it is told, and the next row measured
            traceback.print_exc()
            broke.append(row.name)
    return outcomes, broke


def parser() -> argparse.ArgumentParser:
    """The command line."""
    options = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    options.add_argument("names", nargs="*", choices=[*(row.name for row in ROWS), []], help="rows (default: all)")
    options.add_argument("--rounds", type=int, help="how often each is measured (default: as the row says)")
    options.add_argument("--quick", action="store_true", help="once, with little: says whether it runs, not how fast")
    options.add_argument(
        "--plot", type=Path, help=f"where to draw growth and line use (.svg or .png; default: {PLOT.relative_to(ROOT)})"
    )
    options.add_argument(
        "--json", type=Path, help=f"where to write every figure of every round (default: {FIGURES.relative_to(ROOT)})"
    )
    return options


def say(line: str) -> None:
    """Show that it goes on."""
    print(f"  {line}", flush=True)


def details(outcome: Outcome) -> None:
    """The figures behind the table: medians, and how far the rounds lie apart."""
    print(f"\n{outcome.row.name}: {outcome.row.says}")
    for name, rounds in outcome.sides():
        figures = ", ".join(f"{figure} {spread(rounds, figure)}" for figure in rounds[0])
        print(f"  {name:6} {figures}", flush=True)


def table(outcomes: Sequence[Outcome]) -> str:
    """A line for each promise."""
    lines = [("row", "what", "goal", "figure", "")]
    for outcome in outcomes:
        for goal, figure, kept in outcome.verdicts():
            shown = f"{figure:,.3g}{goal.unit}"
            lines.append((outcome.row.name, goal.what, goal.bound, shown, "pass" if kept else "SHORT"))
    return "\n" + "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, WIDTHS, strict=True)).rstrip() for line in lines
    )
