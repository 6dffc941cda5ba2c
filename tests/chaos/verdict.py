"""The ledger against the journal: every sentence that the dialer promises, and which of them were broken. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.plan import Campaign, Plan
from tests.chaos.storm import Evidence

Json = dict[str, Any]
LEAST_FAULTS = 10
MISSED = {"lost_sight"}  # reasons of calls of which nobody can know whether they were placed


@dataclass(kw_only=True)
class Verdict:
    """The numbers of a seed, and the sentences that were broken."""

    numbers: int = 0
    once: int = 0
    twice: int = 0
    never: int = 0  # as asked: of campaigns that were cancelled or left paused
    lost_sight: int = 0
    gaps: int = 0  # results that no webhook told, found by asking
    faults: int = 0  # seen to happen, the crash points among them
    webhooks: int = 0  # lost, doubled or late; not counted among the faults
    violations: list[str] = field(default_factory=list)


def judge(plan: Plan, evidence: Evidence, *, lines: int, least_faults: int = LEAST_FAULTS) -> Verdict:
    """Compare what the provider did with what we believe; `lines` are the account's."""
    case = _Case(plan, evidence)
    webhooks = sum(times for name, times in evidence.faults.items() if name.startswith("webhook_"))
    verdict = Verdict(
        numbers=sum(len(each.numbers) for each in plan.campaigns),
        lost_sight=sum(call["reason"] in MISSED for call in evidence.rows["calls"]),
        gaps=evidence.rows["gaps"],
        faults=sum(evidence.faults.values()) + sum(evidence.points.values()) - webhooks,
        webhooks=webhooks,
    )
    for number, campaign in case.numbers.items():
        count = case.dials[number]
        verdict.once += count == 1
        verdict.twice += count > 1
        verdict.never += count == 0
        if count > 1:
            verdict.violations.append(f"{campaign.name}: a number was dialled {count} times")
        elif not count and case.must_be_dialled(campaign) and number not in case.out_of_sight:
            verdict.violations.append(f"{campaign.name}: a number was never dialled")
    for check in (case.rest, case.journal, case.pauses, case.cancelled_batches, case.leftovers):
        verdict.violations += check()
    most = most_at_once(evidence.ledger)
    if most > lines:
        verdict.violations.append(f"{most} calls at once on an account of {lines}")
    if verdict.faults < least_faults:
        verdict.violations.append(f"only {verdict.faults} faults were seen to happen: this proves little")
    return verdict


def most_at_once(ledger: list[Json]) -> int:
    """How many calls were up at the same time, by the provider's own record."""
    edges = [(line["placed_at"], 1) for line in ledger if line["event"] == "placed"]
    edges += [(line["ended_at"], -1) for line in ledger if line["event"] == "ended"]
    up = most = 0
    for _, change in sorted(edges):
        up += change
        most = max(most, up)
    return most


class _Case:
    """What is known of one seed, by the keys that it is compared by."""

    def __init__(self, plan: Plan, evidence: Evidence) -> None:
        self.evidence, self.rows = evidence, evidence.rows
        self.placed = [line for line in evidence.ledger if line["event"] == "placed"]
        self.dials = Counter(line["number"] for line in self.placed)
        self.numbers = {number: campaign for campaign in plan.campaigns for number in campaign.numbers}
        self.campaigns = {campaign.name: campaign for campaign in plan.campaigns}
        self.runs = {run["name"]: run for run in self.rows["runs"].values()}
        self.ids = {run["name"]: call_id for call_id, run in self.rows["runs"].items()}
        self.out_of_sight = {call["subscriber_phone"] for call in self.rows["calls"] if call["reason"] in MISSED}

    def must_be_dialled(self, campaign: Campaign) -> bool:
        run = self.runs.get(campaign.name)
        return run is not None and run["status"] == "completed"

    def rest(self) -> Iterator[str]:
        """Every campaign has reached its end, or rests as it was asked to."""
        if not self.evidence.at_rest:
            yield "not everything came to rest by itself"
        for name, campaign in self.campaigns.items():
            run = self.runs.get(name)
            if run is None:
                yield f"{name} was never started"
            elif run["status"] not in campaign.rests or run["in_flight"]:
                yield f"{name} is {run['status']} {run['wait_reason']}, {run['in_flight']} in flight"
            elif run["status"] == "completed" and run["pending"]:
                yield f"{name} is completed with {run['pending']} numbers pending"

    def journal(self) -> Iterator[str]:
        """Each dial is a call of the journal, under our id and the provider's; each call that counts is a dial."""
        by_id = {call["call_id"]: call for call in self.rows["calls"]}
        counting = {
            id_ for id_, call in by_id.items() if call["status"] != "cancelled" and call["reason"] not in MISSED
        }
        dialled = set()
        for line in self.placed:
            call = by_id.get(line["recipient_id"])
            if call is None:
                yield "a dial is not in the journal"
                continue
            dialled.add(call["call_id"])
            if call["subscriber_phone"] != line["number"] or call["conversation_id"] != line["conversation_id"]:
                yield f"{call['call_id']} is {call['conversation_id']} here and {line['conversation_id']} there"
            if call["status"] not in {"done", "failed"}:
                yield f"{call['call_id']} was dialled and is {call['status']}"
        for missing in counting - dialled:
            yield f"{missing} is {by_id[missing]['status']} in the journal and was never dialled"
        if self.rows["strangers"]:
            yield f"{self.rows['strangers']} calls in the journal belong to no campaign"

    def pauses(self) -> Iterator[str]:
        """Between the answer to a pause (or a cancel) and the wish to resume, no submission arrives."""
        arrivals: dict[str, list[float]] = defaultdict(list)
        for line in self.evidence.ledger:
            if line["event"] == "batch_calling.submit":
                arrivals[self.rows["chunks"].get(line["name"], "")].append(line["at"])
        for answer in self.evidence.answers:
            if answer["did"] in {"pause", "cancel"} and answer["how"] == "answered":
                until = self._resumed_after(answer)
                late = [at for at in arrivals[self.ids.get(answer["campaign"], "?")] if answer["at"] < at < until]
                if late:
                    yield f"{answer['campaign']}: {len(late)} submissions after its {answer['did']} was answered"

    def _resumed_after(self, answer: Json) -> float:
        resumed = [
            each["first_asked"]
            for each in self.evidence.answers
            if each["campaign"] == answer["campaign"] and each["did"] == "resume" and each["at"] > answer["at"]
        ]
        return min(resumed, default=float("inf"))

    def cancelled_batches(self) -> Iterator[str]:
        """Nobody is dialled of a batch once it is cancelled."""
        cancelled = {line["batch_id"]: line["at"] for line in self.evidence.ledger if line["event"] == "cancelled"}
        for line in self.placed:
            if line["dispatched_at"] > cancelled.get(line["batch_id"], float("inf")):
                yield "a number was dialled of a batch that was cancelled"

    def leftovers(self) -> Iterator[str]:
        """Nothing is left to do, and the rows agree with each other."""
        for name in ("open_chunks", "receipts_left"):
            if self.rows[name]:
                yield f"{name.replace('_', ' ')}: {self.rows[name]}"
        for name in ("contradictions", "audit"):
            if self.rows.get(name):
                yield f"{name}: {self.rows[name]}"
