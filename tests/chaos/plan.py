"""What a seed stands for: campaigns, what people do with them, what goes wrong and when. Pure: nothing happens here.

The same seed gives the same plan. What comes of it depends on the machine, too: that is what it is for.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aispinner.core.crash_points import Point

Json = dict[str, Any]
SUBMIT = "batch_calling.submit"
POINTS_A_SEED = 6
MANY_LINES, FEW_LINES = 60, 14  # at the provider: what is too much shows; or numbers wait there
FEWEST_LINES = 4  # most of them wait there whenever somebody pauses, and can be taken back
FROZEN_AT = (Point.SUBMIT_SENT, Point.PREPARED, Point.LOOKED_UP, Point.COUNTERS_WRITTEN)
FROZEN = 12.0  # seconds: longer than it takes to find out that a submission has left no trace
FROM_THE_START = frozenset(  # reached once or twice in a seed, by what people do or at the provider's first refusal
    {
        Point.RUN_STARTED, Point.PAUSE_LOCKED, Point.PAUSED, Point.CANCEL_LOCKED, Point.CANCELLED, Point.RESUMED,
        Point.TAKEN_BACK, Point.SHRUNK, Point.SUBMIT_FAILED,
    }
)  # fmt: skip
LEAVE_AT = 0.7  # of the storm: calls are up, and more are on their way
KILLED = ("web", "worker-1", "all workers", "beat", "simulator")


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """A campaign and what somebody does with it: once that part (0..1) of its calls has ended; None: never."""

    name: str
    node_id: str
    numbers: tuple[str, ...]
    max_concurrent: int
    pacing: str
    starts_at: float
    pauses_after: float | None = None
    resumes: bool = False
    cancels_after: float | None = None

    @property
    def rests(self) -> frozenset[str]:
        """The states in which it may come to rest by itself."""
        if self.cancels_after is not None:
            return frozenset({"cancelled", "completed"})
        if self.pauses_after is not None and not self.resumes:
            return frozenset({"paused", "completed"})
        return frozenset({"completed"})


@dataclass(frozen=True, order=True)
class Fault:
    """Something to do at a time: `kill`, `stop`, `flush`, `arm` (to die there), or `freeze` (there), and where; `leave`
    is to stop and come back after `seconds`.
    """

    at: float
    what: str
    target: str
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.what} {self.target}{f' for {self.seconds:g} s' if self.seconds else ''}"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One seed."""

    seed: int
    campaigns: tuple[Campaign, ...]
    faults: tuple[Fault, ...]
    rules: tuple[Json, ...]  # of the simulator: what it answers wrongly, which webhooks it loses
    provider_lines: int  # that the provider really lets up: more than the account is said to have, or fewer
    storm: float  # seconds; afterwards everything works
    patience: float = 60.0  # seconds that people give one wish


def plan_for(seed: int, *, size: int = 310, storm: float = 20.0, away: float = 0.0, mild: bool = False) -> Plan:
    """The plan of `seed`: campaigns over `size` numbers together, and `storm` seconds of faults.

    All workers are stopped early in it and stay `away` for so many seconds, by which the storm is longer. A `mild` one
    has fewer of everything: what fits into a few seconds, with one worker.
    """
    rng = random.Random(f"chaos:{seed}")
    campaigns, rules = _campaigns(rng, seed, size=size), tuple(_rules(rng, seed))
    leave = [Fault(storm * LEAVE_AT, "leave", "all workers", away)] if away else []
    storm += away
    return Plan(
        seed=seed,
        campaigns=campaigns,
        faults=tuple(sorted([*leave, *(_mild(storm) if mild else _faults(rng, seed, storm=storm))])),
        rules=rules[-3:] if mild else rules,
        provider_lines=_provider_lines(seed),
        storm=storm,
        patience=60.0 + away,
    )


def _provider_lines(seed: int) -> int:
    if Point.TAKEN_BACK in points_of(seed):
        return FEWEST_LINES
    return MANY_LINES if seed % 2 else FEW_LINES


def points_of(seed: int) -> tuple[Point, ...]:
    """The crash points that a seed arms: in turn, so that a few seeds in a row reach them all."""
    points = list(Point)
    first = seed * POINTS_A_SEED
    return tuple(points[(first + place) % len(points)] for place in range(POINTS_A_SEED))


def _campaigns(rng: random.Random, seed: int, *, size: int) -> tuple[Campaign, ...]:
    parts = (0.30, 0.20, 0.20, 0.15, 0.15)
    people: Sequence[Json] = (
        {"pacing": "continuous", "max_concurrent": 14},
        {"pacing": "chunked", "max_concurrent": 12},
        {"pacing": "continuous", "max_concurrent": 8, "pauses_after": rng.uniform(0.1, 0.6), "resumes": True},
        {"pacing": "chunked", "max_concurrent": 6, "cancels_after": rng.uniform(0.1, 0.7)},
        {"pacing": "continuous", "max_concurrent": 5, "pauses_after": rng.uniform(0.1, 0.7)},
    )
    campaigns, first = [], 0
    for place, (part, wishes) in enumerate(zip(parts, people, strict=True)):
        count = round(size * part)
        numbers = tuple(f"+1555{seed % 1000:03}{number:04}" for number in range(first, first + count))
        first += count
        node, starts_at = f"pbx_chaos_{place}", rng.uniform(0.0, 1.5)
        campaigns.append(
            Campaign(name=f"chaos {seed}/{place}", node_id=node, numbers=numbers, starts_at=starts_at, **wishes)
        )
    return tuple(campaigns)


def _faults(rng: random.Random, seed: int, *, storm: float) -> list[Fault]:
    def when(earliest: float = 0.1, latest: float = 0.9) -> float:
        return round(storm * rng.uniform(earliest, latest), 2)

    faults = [Fault(0.0 if point in FROM_THE_START else when(0.02, 0.6), "arm", point) for point in points_of(seed)]
    faults += [Fault(when(), "kill", name) for name in rng.sample(KILLED, 3)]
    faults += [
        Fault(
            when(0.1, 0.5),
            "freeze",
            rng.choice([point for point in FROZEN_AT if point not in points_of(seed)]),
        ),
        Fault(when(), "flush", "Valkey"),
        Fault(when(0.2, 0.8), rng.choice(("stop", "kill")), "PostgreSQL"),
        Fault(when(), rng.choice(("stop", "kill")), "Valkey"),
        Fault(when(), rng.choice(("stop", "kill")), "simulator"),
    ]
    return faults


def _mild(storm: float) -> list[Fault]:
    return [
        Fault(0.0, "arm", Point.SUBMIT_ACCEPTED),
        Fault(storm * 0.3, "flush", "Valkey"),
        Fault(storm * 0.5, "arm", Point.COUNTERS_WRITTEN),
        Fault(storm * 0.8, "kill", "simulator"),
    ]


def _rules(rng: random.Random, seed: int) -> list[Json]:
    def once(fault: str, *, at_most: int = 2, **more: Any) -> Json:
        return {"fault": fault, "endpoint": SUBMIT, "times": rng.randint(1, at_most), "probability": 0.12} | more

    at_submit = [
        once("rate_limit_exceeded", retry_after=1),
        once("rate_limit_exceeded"),
        once("concurrent_limit_exceeded", at_most=1, probability=1.0 if Point.SHRUNK in points_of(seed) else 0.12),
        once("too_many_concurrent_requests", at_most=1),
        once("system_busy"),
        once("internal_error", when="after"),
        once("internal_error", when="before"),
        once("service_unavailable", when="after"),
        once("cut_off", when="after"),
        once("cut_off", when="before"),
        once("hold", when="after", seconds=2.5, at_most=1),
        once("slow", seconds=2.5, at_most=1),
    ]
    rng.shuffle(at_submit)
    elsewhere = [
        {"fault": "internal_error", "endpoint": "batch_calling.*", "probability": 0.04},
        {"fault": "internal_error", "endpoint": "conversations.*", "probability": 0.03},
        {"fault": "rate_limit_exceeded", "endpoint": "conversations.*", "probability": 0.03},
        {"fault": "cut_off", "endpoint": "batch_calling.get", "probability": 0.03},
        {"fault": "slow", "endpoint": "batch_calling.get", "probability": 0.02, "seconds": 1.5},
    ]
    webhooks: list[Json] = [
        {"fault": "webhook_dropped", "probability": 0.3},
        {"fault": "webhook_doubled"},
        {"fault": "webhook_delayed", "seconds": 4.0},
    ]
    return [*at_submit, *elsewhere, *webhooks]
