"""How one simulator is set up: seed, speed, the account's limit and the files it may keep."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_SPEED = 30.0
DEFAULT_CONCURRENCY = 200


@dataclass(frozen=True)
class SimulatorConfig:
    """Everything that can be set from outside.

    speed: simulated seconds that pass in one real second. concurrency: calls an account may have up at once.
    ledger: a file that gets one JSON line per dial placed and ended, submission arrived and batch cancelled. state: a
    file that keeps agents, phone numbers, webhooks and settings; a diary beside it keeps batches, calls, webhooks on
    their way and what was ordered, so that a killed simulator goes on where it was (talks over the socket are cut).
    """

    seed: int = 1
    speed: float = DEFAULT_SPEED
    concurrency: int = DEFAULT_CONCURRENCY
    ledger: Path | None = None
    state: Path | None = None

    def __post_init__(self) -> None:
        if self.speed <= 0:
            raise ValueError("speed must be above 0: simulated seconds per real second")
        if self.concurrency < 1:
            raise ValueError("concurrency must be at least 1: calls an account may have up at once")


def config_from_env(environ: Mapping[str, str] | None = None) -> SimulatorConfig:
    """What AISPINNER_SIM_SEED, _SPEED, _CONCURRENCY, _LEDGER and _STATE describe; ValueError where unreadable."""
    env = os.environ if environ is None else environ
    ledger, state = env.get("AISPINNER_SIM_LEDGER"), env.get("AISPINNER_SIM_STATE")
    return SimulatorConfig(
        seed=int(env.get("AISPINNER_SIM_SEED") or 1),
        speed=float(env.get("AISPINNER_SIM_SPEED") or DEFAULT_SPEED),
        concurrency=int(env.get("AISPINNER_SIM_CONCURRENCY") or DEFAULT_CONCURRENCY),
        ledger=Path(ledger) if ledger else None,
        state=Path(state) if state else None,
    )
