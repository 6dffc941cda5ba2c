"""How one simulated PBX is set up: version, user, trunks, speed and the file its dials are written to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_VERSION = re.compile(r"\d+\.\d+\.\d+")


@dataclass(frozen=True)
class SimulatorConfig:
    """Everything that can be set from outside.

    speed: simulated seconds of ringing and talking in one real second; audio always runs in real time.
    version: decides what the PBX can do (REST over the event socket, WebSocket media, tech_cause, …).
    trunks: names behind the @ of `PJSIP/<number>@<trunk>`; another one is refused as Asterisk does.
    user, password: may read and write; `readonly` with the same password may only read.
    contexts: dialplan contexts that run AMD() and come back. ledger: one JSON line per dial placed and per dial ended.
    keep_secs: how much of what a telephone heard and said is kept.
    """

    seed: int = 1
    speed: float = 1.0
    version: str = "22.10.1"
    user: str = "aispinner"
    password: str = "aispinner"  # noqa: S105  (a simulator's)
    trunks: tuple[str, ...] = ("trunk",)
    contexts: tuple[str, ...] = ("amd",)
    ledger: Path | None = None
    keep_secs: int = 60

    def __post_init__(self) -> None:
        if self.speed <= 0:
            raise ValueError("speed must be above 0: simulated seconds per real second")
        if _VERSION.fullmatch(self.version) is None:
            raise ValueError("version must look like 22.10.1")

    @property
    def can(self) -> Abilities:
        return Abilities(tuple(int(part) for part in self.version.split(".")))


@dataclass(frozen=True)
class Abilities:
    """What came when. A branch newer than those named has everything."""

    version: tuple[int, ...]

    def _since(self, **branches: tuple[int, int]) -> bool:
        major, minor = self.version[:2]
        since = branches.get(f"v{major}")
        return (major, minor) >= since if since else major > 22

    @property
    def rest_over_websocket(self) -> bool:
        return self._since(v20=(20, 14), v21=(21, 9), v22=(22, 4))

    @property
    def websocket_media(self) -> bool:
        return self._since(v20=(20, 16), v21=(21, 11), v22=(22, 6))

    @property
    def tech_cause(self) -> bool:
        return self._since(v20=(20, 17), v21=(21, 12), v22=(22, 7), v23=(23, 1))

    @property
    def audiosocket_rates(self) -> bool:
        return self.tech_cause

    @property
    def json_control(self) -> bool:
        return self._since(v20=(20, 18), v22=(22, 8), v23=(23, 2))
