"""One seed played: faults at their times while people run campaigns, then a calm in which all must come to rest."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from http.client import HTTPException
from typing import Any

from aispinner.local.demo import Api
from tests.chaos.house import House
from tests.chaos.plan import FROZEN, Fault, Plan

Json = dict[str, Any]
CALM = 300.0  # seconds in which everything must come to rest by itself; a sixth of them is usual
_SIGNALS = {
    "PostgreSQL": signal.SIGINT,  # ends sessions at once
    "Valkey": signal.SIGTERM,
    "simulator": signal.SIGTERM,
}
_TOGETHER = {"all workers": ("worker-1", "worker-2")}


@dataclass(kw_only=True)
class Evidence:
    """What a seed has left behind."""

    faults: Counter[str] = field(default_factory=Counter)  # seen to happen
    points: Counter[str] = field(default_factory=Counter)  # crash points at which somebody died
    answers: list[Json] = field(default_factory=list)  # what people were answered
    ledger: list[Json] = field(default_factory=list)
    rows: Json = field(default_factory=dict)
    at_rest: bool = False
    seconds: float = 0.0
    calm: float = 0.0  # seconds from the end of the storm until everything had come to rest


class StoppedError(Exception):
    """Somebody has pressed Ctrl-C."""


class Storm:
    """Plays a plan in a house."""

    def __init__(self, house: House, plan: Plan) -> None:
        self._house, self._plan = house, plan
        self._evidence = Evidence()
        self._said = house.folder / f"people-{plan.seed}.jsonl"
        self._prefix = f"chaos {plan.seed}/"

    def play(self) -> Evidence:
        """The storm and the calm after it."""
        began = time.time()
        before, known = self._house.fired(), len(self._house.ledger_lines())
        account = {"default": {"concurrency": self._plan.provider_lines}}
        self._insist(lambda: self._house.provider("/_sim/accounts", account))
        self._insist(lambda: self._house.order(list(self._plan.rules)))
        self._insist(self._house.switch_webhooks_on)
        people = self._let_people_in()
        for fault in self._plan.faults:
            self._wait_until(self._began + fault.at)
            self._strike(fault)
        self._wait_until(self._began + self._plan.storm)
        self._end_of_storm()
        calm = time.time()
        deadline = calm + CALM
        while people.poll() is None and time.time() < deadline:
            self._pass(0.2)
        people.kill()
        people.wait()
        self._house.disarm()  # what people had to reach, they have reached by now
        self._evidence.answers = self._answers()
        self._evidence.at_rest = self._comes_to_rest(deadline)
        self._evidence.calm = time.time() - calm
        self._evidence.points = self._house.fired() - before
        self._evidence.ledger = self._house.ledger_lines()[known:]
        self._count_rules()
        self._evidence.faults = +self._evidence.faults  # those that did happen
        self._evidence.seconds = time.time() - began
        return self._evidence

    def _let_people_in(self) -> Any:
        self._began = time.time() + 0.5
        wishes = self._house.folder / f"people-{self._plan.seed}.json"
        given = {
            "campaigns": [asdict(campaign) for campaign in self._plan.campaigns],
            "address": self._house.address,
            "token": self._house.token,
            "began": self._began,
            "patience": self._plan.patience,
        }
        wishes.write_text(json.dumps(given))
        return self._house.begin("-m", "tests.chaos.people", str(wishes), said=self._said)

    def _strike(self, fault: Fault) -> None:
        if fault.what == "arm":
            self._house.arm(fault.target)  # it is seen when it fires
        elif fault.what == "freeze":
            self._house.arm(fault.target, signal.SIGSTOP)
        elif fault.what == "leave":
            left = [self._house.send_away(name, seconds=fault.seconds) for name in _TOGETHER[fault.target]]
            self._evidence.faults[str(fault)] += all(left)
        elif fault.what == "flush":
            self._evidence.faults[str(fault)] += self._house.flush()
        else:
            how = signal.SIGKILL if fault.what == "kill" else _SIGNALS[fault.target]
            died = [self._house.die(name, how=how) for name in _TOGETHER.get(fault.target, (fault.target,))]
            self._evidence.faults[str(fault)] += all(died)

    def _end_of_storm(self) -> None:
        self._count_rules()
        lost = [rule for rule in self._plan.rules if rule["fault"] == "webhook_dropped"]
        self._insist(lambda: self._house.order(lost))  # nothing may hang on them, in calm weather neither

    def _count_rules(self) -> None:
        """How often the simulator has gone wrong, by its own account."""
        for rule in self._insist(lambda: self._house.provider("/_sim/faults"))["rules"]:
            when = f" {rule['when']}" if rule["when"] == "after" else ""
            self._evidence.faults[f"{rule['fault']}{when}"] += rule["fired"]

    def _comes_to_rest(self, deadline: float) -> bool:
        """Until every campaign rests, no chunk is open and no receipt waits; the rows are read when that is so."""
        runs = {answer["run"] for answer in self._evidence.answers if answer.get("run")}
        while time.time() < deadline:
            if all(self._rests(run) for run in runs):
                rows = self._evidence.rows = self._rows()
                if not (rows["open_chunks"] or rows["receipts_left"]):
                    return True
            self._pass(0.5)
        self._evidence.rows = self._rows()
        return False

    def _rests(self, run: str) -> bool:
        try:
            told = Api(address=self._house.address, token=self._house.token).call(f"/telephony/runs/{run}")
        except (OSError, HTTPException):
            return False
        return told["status"] in {"paused", "completed", "failed"} or (
            told["status"] == "cancelled" and told["finished_at"] is not None
        )

    def _rows(self) -> Json:
        rows: Json = json.loads(self._house.ask("-m", "tests.chaos.rows", self._prefix))
        return rows

    def _answers(self) -> list[Json]:
        return [json.loads(line) for line in self._said.read_text().splitlines()]

    def _wait_until(self, at: float) -> None:
        while (left := at - time.time()) > 0:
            self._pass(min(left, 0.2))

    def _insist(self, ask: Any) -> Any:
        deadline = time.time() + CALM
        while not (answer := ask()):
            if time.time() > deadline:
                raise RuntimeError("the simulator does not come back")
            self._pass(0.1)
        return answer

    def _pass(self, seconds: float) -> None:
        if not self._house.wait(seconds):
            raise StoppedError
        self._evidence.faults["frozen for a while"] += self._house.thaw(after=FROZEN)
