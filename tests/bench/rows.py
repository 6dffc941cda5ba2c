"""What a row of the table is: our figures, a rival's, and what the one promises against the other."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Figures = Mapping[str, float]
Measure = Callable[[], Figures]


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A promise: `figure` of our and the rival's medians is `at_least`, or `at_most`, so much."""

    what: str
    figure: Callable[[Figures, Figures], float]
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""

    def holds(self, figure: float) -> bool:
        """Whether it was kept."""
        return (self.at_least is None or figure >= self.at_least) and (self.at_most is None or figure <= self.at_most)

    @property
    def bound(self) -> str:
        """The promise in short."""
        return f"≥ {self.at_least:g}{self.unit}" if self.at_least is not None else f"≤ {self.at_most:g}{self.unit}"


class Together:
    """Sides that are measured in one go. Whichever is asked for first in a round has all of them measured."""

    def __init__(self, measure: Callable[[], Mapping[str, Figures]]) -> None:
        self._measure = measure
        self._figures: dict[str, Figures] = {}

    def side(self, name: str) -> Measure:
        """What tells the figures of one of them."""

        def measure() -> Figures:
            if name not in self._figures:
                self._figures = dict(self._measure())
            return self._figures.pop(name)

        return measure


@dataclass(frozen=True, kw_only=True)
class Row:
    """Something to measure. `measure` and `rival` are called in turn, `rounds` times; each answers all its figures.

    `also` are further sides of the comparison, measured in the same turns and promised nothing. `quick` are a smaller
    measure and rival, for `--quick`; a row without them is left out there.
    """

    name: str
    says: str
    measure: Measure
    rival: Measure
    goals: Sequence[Goal]
    rounds: int = 3
    also: Mapping[str, Measure] = field(default_factory=dict)
    quick: tuple[Measure, Measure] | None = None

    def small(self) -> Row:
        """The row as it is measured with `--quick`, once."""
        assert self.quick is not None
        return replace(self, measure=self.quick[0], rival=self.quick[1], also={}, rounds=1)


@dataclass(kw_only=True)
class Outcome:
    """What a row has shown."""

    row: Row
    ours: list[Figures] = field(default_factory=list)
    theirs: list[Figures] = field(default_factory=list)
    others: dict[str, list[Figures]] = field(default_factory=dict)

    def sides(self) -> Iterator[tuple[str, list[Figures]]]:
        """Whose figures, and theirs of every round."""
        yield from (("ours", self.ours), ("rival", self.theirs), *self.others.items())

    def verdicts(self) -> list[tuple[Goal, float, bool]]:
        """Each goal with its figure, of medians, and whether it was kept."""
        ours, theirs = medians(self.ours), medians(self.theirs)
        figures = [(goal, goal.figure(ours, theirs)) for goal in self.row.goals]
        return [(goal, figure, goal.holds(figure)) for goal, figure in figures]

    def as_json(self) -> dict[str, Any]:
        """Everything, for a file."""
        return {
            "row": self.row.name,
            "goals": [
                {"what": goal.what, "goal": goal.bound, "figure": figure, "kept": kept}
                for goal, figure, kept in self.verdicts()
            ],
            **dict(self.sides()),
        }


def medians(rounds: Sequence[Figures]) -> dict[str, float]:
    """The median of each figure over the rounds."""
    return {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}


def spread(rounds: Sequence[Figures], name: str) -> str:
    """`median (lowest to highest)`."""
    values = [each[name] for each in rounds]
    return f"{statistics.median(values):,.4g} ({min(values):,.4g} to {max(values):,.4g})"


def run(row: Row, *, rounds: int, told: Callable[[str], None]) -> Outcome:
    """Measure in turns; who begins changes with every round, as the machine may."""
    outcome = Outcome(row=row, others={name: [] for name in row.also})
    measures = {"ours": row.measure, "rival": row.rival, **row.also}
    for number in range(rounds):
        turns = [(found, measures[name], name) for name, found in outcome.sides()]
        for found, measure, name in turns if number % 2 == 0 else reversed(turns):
            found.append(measure())
            figures = ", ".join(f"{figure} {value:,.4g}" for figure, value in found[-1].items())
            told(f"{row.name} {number + 1}/{rounds} {name}: {figures}")
    return outcome
