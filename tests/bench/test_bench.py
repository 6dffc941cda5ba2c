"""The bench's own arithmetic; and that it runs, with little, from an empty database to its table."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.command import measure_all
from tests.bench.journal import JOURNAL, NAMES
from tests.bench.lines import FAST, FASTER, LINES, busy, ideal, ideal_chunks
from tests.bench.plot import draw
from tests.bench.rows import Goal, Outcome, Row, run
from tests.bench.servers import ROOT


def test_the_ideal_window_gives_a_free_line_the_next_number_at_once() -> None:
    assert ideal([5, 1, 1, 1, 1], lines=2) == 5
    assert ideal([1, 1, 1, 5], lines=2) == 6


def test_a_chunk_takes_as_long_as_its_longest_call() -> None:
    assert ideal_chunks([5, 1, 1, 2, 3], lines=2) == 5 + 2 + 3


def test_lines_are_busy_as_far_as_calls_fill_them_until_the_last_is_placed() -> None:
    assert busy([(0, 2), (0, 4), (2, 4), (4, 9)], lines=2) == 1
    assert busy([(0, 2), (2, 4), (4, 9)], lines=2) == 0.5


def test_the_figure_is_of_medians_and_the_rival_begins_every_other_round() -> None:
    order: list[str] = []
    values = iter([1, 9, 2, 100, 3, 9])

    def measured(name: str) -> dict[str, float]:
        order.append(name)
        return {"rate": next(values)}

    goal = Goal(what="rate", figure=lambda mine, theirs: mine["rate"] / theirs["rate"], at_least=10)
    row = Row(name="x", says="", measure=lambda: measured("ours"), rival=lambda: measured("rival"), goals=(goal,))
    [(_, figure, kept)] = run(row, rounds=3, told=lambda line: None).verdicts()
    assert order == ["ours", "rival", "rival", "ours", "ours", "rival"]
    assert (figure, kept) == (3 / 9, False)


def test_a_row_that_breaks_takes_none_of_the_others_figures_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> dict[str, float]:
        raise ValueError("no such figure")

    rows = (
        Row(name="broken", says="", measure=broken, rival=broken, goals=()),
        Row(name="whole", says="", measure=lambda: {"rate": 1}, rival=lambda: {"rate": 2}, goals=()),
    )
    outcomes, broke = measure_all(rows, rounds=1)
    assert ([outcome.row.name for outcome in outcomes], broke) == (["whole"], ["broken"])
    assert "no such figure" in capsys.readouterr().err


def test_every_question_and_all_lines_are_drawn(tmp_path: Path) -> None:
    questions = dict.fromkeys(NAMES, 2.5)
    mine = {f"{count}: busy{suffix}": 0.9 for count in FASTER for suffix in ("", f", {FAST} times faster")}
    theirs = {f"{count}: busy": 0.3 for count in FASTER}
    outcomes = [
        Outcome(row=JOURNAL, ours=[questions], theirs=[questions], others={"100k": [questions]}),
        Outcome(row=LINES, ours=[mine], theirs=[theirs]),
    ]
    assert draw(outcomes, tmp_path / "speed.svg")
    assert (tmp_path / "speed.svg").read_text().count("<svg") == 1
    assert not draw([], tmp_path / "nothing.svg")


@pytest.mark.e2e
def test_it_runs_from_an_empty_database_to_its_table(tmp_path: Path) -> None:
    lent = os.environ.get("AISPINNER_LENT", "").split()
    env = {name: value for name, value in os.environ.items() if name not in lent}
    told = tmp_path / "figures.json"
    argv = [sys.executable, "-m", "aispinner.local", "bench", "--quick", "cursors"]
    argv += ["--json", str(told)]
    bench = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert bench.returncode == 0, bench.stderr
    assert "rows lost" in bench.stdout
    assert [row["row"] for row in json.loads(told.read_text())] == ["cursors"]
