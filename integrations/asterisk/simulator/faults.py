"""Orders for things to go wrong: which request or which moment of a dial, how, and how often."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import Any

from integrations.simulating import Counted

from .errors import bad_request

FAULTS = {
    "refuse": ("request", "answers `status` (default 503) instead"),
    "slow": ("request", "answers `seconds` later"),
    "hold": ("request", "never answers: over HTTP 60 s of silence and a broken connection, over the socket nothing"),
    "cut_off": ("request", "breaks the connection in the middle of the answer; over the socket, closes it"),
    "drop_events": ("dial", "the application's event socket closes at this `moment` of a dial"),
}
MOMENTS = ("placed", "ringing", "answered")


@dataclass(kw_only=True)
class Rule(Counted):
    """One order. `endpoint`: `METHOD /path` of the request or of its template, * allowed."""

    fault: str
    endpoint: str = "*"
    when: str = "before"
    moment: str = "ringing"
    number: str | None = None
    seconds: float = 5.0
    status: int = 503

    @property
    def scope(self) -> str:
        return FAULTS[self.fault][0]


class Faults:
    """The rules in force; the first that fires wins."""

    def __init__(self, seed: int) -> None:
        self.rules: list[Rule] = []
        self._rng = random.Random(f"{seed}:faults")  # noqa: S311

    def for_request(self, *names: str) -> Rule | None:
        """The fault of a request known by these names (its path, its template)."""
        for rule in self.rules:
            fits = any(fnmatchcase(name, rule.endpoint) for name in names)
            if rule.scope == "request" and fits and rule.strikes(self._rng):
                return rule
        return None

    def for_dial(self, *, moment: str, number: str) -> bool:
        """Whether the event socket drops now."""
        return any(
            rule.scope == "dial" and rule.moment == moment and rule.number in (None, number) and rule.strikes(self._rng)
            for rule in self.rules
        )


def parse_rules(body: Any) -> list[Rule]:
    """Rules from `{"rules": [...]}` or a bare list; AriError 400 naming what is wrong."""
    rules = body.get("rules") if isinstance(body, dict) else body
    if not isinstance(rules, list):
        raise bad_request('Send {"rules": [{"fault": …}]}; an empty list clears.')
    known = {field.name for field in fields(Rule)} - {"seen", "fired"}
    for place, given in enumerate(rules, start=1):
        if not isinstance(given, dict) or given.get("fault") not in FAULTS or not set(given) <= known:
            raise bad_request(f"Rule {place}: `fault` is one of {', '.join(FAULTS)}; the rest of {', '.join(known)}.")
        if given.get("when", "before") not in ("before", "after") or given.get("moment", "ringing") not in MOMENTS:
            raise bad_request(f"Rule {place}: `when` is before or after, `moment` one of {', '.join(MOMENTS)}.")
    return [Rule(**given) for given in rules]
