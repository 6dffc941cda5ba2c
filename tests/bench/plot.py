"""The table's pictures: how each question's time grows with the journal, and how busy the lines are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from tests.bench.rows import Outcome, medians

SIZES = ("10,000", "100,000", "1,000,000")
COLOURS = ("#b9c4d6", "#6f8fc0", "#1d3f78")  # darker, the larger
MILLISECONDS = (0.1, 1, 10, 100)
WIDTH, HEIGHT = 6.4, 5.6  # inches, each


def draw(outcomes: Sequence[Outcome], path: Path) -> bool:
    """Write what there is to be drawn of these outcomes to `path` (by its ending: SVG or PNG); False without any."""
    drawn = {outcome.row.name: outcome for outcome in outcomes if outcome.row.name in {"journal", "lines"}}
    if not drawn:
        return False
    figure, axes = plt.subplots(1, len(drawn), figsize=(WIDTH * len(drawn), HEIGHT), squeeze=False)
    for place, (name, outcome) in zip(axes[0], drawn.items(), strict=True):
        (_growth if name == "journal" else _lines)(place, outcome)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)
    return True


def _growth(axes: Axes, outcome: Outcome) -> None:
    """Every question, one dot a size: where the dots lie on each other, time has not grown."""
    sides = dict(zip(SIZES, (outcome.theirs, outcome.others.get("100k", []), outcome.ours), strict=True))
    names = list(outcome.ours[0])
    rows = range(len(names))
    p50 = {size: medians(rounds) for size, rounds in sides.items() if rounds}
    spans = [[each[name] for each in p50.values()] for name in names]
    axes.hlines(rows, [min(span) for span in spans], [max(span) for span in spans], color="#dddddd", zorder=1)
    for size, colour in zip(SIZES, COLOURS, strict=True):
        if size in p50:
            axes.scatter([p50[size][name] for name in names], rows, color=colour, label=f"{size} calls", zorder=2)
    axes.set_yticks(rows, names, fontsize=8)
    axes.invert_yaxis()
    axes.set(xscale="log", xlim=(0.1, 100), xlabel="p50, ms", title="Questions to a journal")
    axes.set_xticks(MILLISECONDS, list(map(str, MILLISECONDS)))
    axes.grid(visible=True, axis="x", alpha=0.3)
    axes.legend(fontsize=8, loc="lower right")


def _lines(axes: Axes, outcome: Outcome) -> None:
    mine, theirs = medians(outcome.ours), medians(outcome.theirs)
    lines = [int(name.partition(":")[0]) for name in mine if name.endswith("busy")]
    places = range(len(lines))
    hurried = next(name.partition("busy")[2] for name in mine if "busy, " in name)  # `, 8 times faster`
    bars = (
        ("continuous, at life's pace", mine, "", COLOURS[2]),
        (f"continuous{hurried}", mine, hurried, COLOURS[1]),
        (f"chunked{hurried}", theirs, "", COLOURS[0]),
    )
    for shift, (name, side, suffix, colour) in zip((-0.27, 0, 0.27), bars, strict=True):
        shares = [100 * side[f"{count}: busy{suffix}"] for count in lines]
        drawn = axes.bar([place + shift for place in places], shares, 0.26, label=name, color=colour)
        axes.bar_label(
            drawn, fmt="%.0f %%", fontsize=7, padding=-11, color="black" if colour == COLOURS[0] else "white"
        )
    axes.axhline(100, color="#999999", linestyle="--", linewidth=1, label="ideal window")
    axes.set_xticks(places, [f"{count} lines" for count in lines])
    axes.set(ylabel="busy until the last number is dialled, %", ylim=(0, 125), title="Line use")
    axes.legend(fontsize=8, ncols=2, loc="upper left")
