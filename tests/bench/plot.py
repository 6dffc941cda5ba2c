"""The table's pictures: how each question's time grows with the journal, and how busy the lines are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from tests.bench.rows import Outcome, medians

SIZES = (10_000, 100_000, 1_000_000)
SHOWN = (
    *("a node's last 200", "everybody's last 200", "one status", "a whole day", "a campaign's", "an empty workspace's"),
    *("since_version, nothing new", "a status that none has"),
)


def draw(outcomes: Sequence[Outcome], path: Path) -> None:
    """Write what there is to be drawn of these outcomes to `path` (by its ending: SVG or PNG)."""
    drawn = {outcome.row.name: outcome for outcome in outcomes if outcome.row.name in {"journal", "lines"}}
    if not drawn:
        return
    figure, axes = plt.subplots(1, len(drawn), figsize=(6.4 * len(drawn), 4.4), squeeze=False)
    for place, (name, outcome) in zip(axes[0], drawn.items(), strict=True):
        (_growth if name == "journal" else _lines)(place, outcome)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def _growth(axes: Axes, outcome: Outcome) -> None:
    sides = [medians(rounds) for rounds in (outcome.theirs, outcome.others.get("100k", []), outcome.ours) if rounds]
    sizes = SIZES if len(sides) == len(SIZES) else (SIZES[0], SIZES[-1])
    for name in SHOWN:
        axes.plot(sizes, [side[name] for side in sides], marker="o", label=name)
    axes.set(xscale="log", yscale="log", ylim=(0.5, 200), xlabel="calls in the journal", ylabel="p50, ms")
    axes.set_title("Questions to a journal")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize=7, ncols=2, loc="upper left")


def _lines(axes: Axes, outcome: Outcome) -> None:
    mine, theirs = medians(outcome.ours), medians(outcome.theirs)
    lines = [int(name.partition(":")[0]) for name in mine if name.endswith("busy")]
    for shift, side, name in ((-0.2, mine, "continuous"), (0.2, theirs, "chunked")):
        bars = axes.bar(
            [place + shift for place in range(len(lines))], [100 * side[f"{n}: busy"] for n in lines], 0.38, label=name
        )
        axes.bar_label(bars, fmt="%.0f %%", fontsize=8)
    axes.set_xticks(range(len(lines)), [f"{n} lines" for n in lines])
    axes.set(ylabel="busy until the last number is dialled, %", ylim=(0, 112), title="Line use")
    axes.legend(fontsize=8, ncols=2, loc="upper left")
