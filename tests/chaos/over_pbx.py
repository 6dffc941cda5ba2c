"""`./dev chaos --stack custom_voice`: one campaign over a simulated PBX while holders, bridges, a worker and the
event socket are lost; then the PBX's ledger against the journal, outcome by outcome.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from aispinner.local.demo import FINAL, Api
from aispinner.local.errors import StoppedError as StoppedWhileStarting
from aispinner.local.terminal import Screen
from aispinner.local.valkey import free_port
from tests.chaos.house import House, house
from tests.chaos.storm import StoppedError

Json = dict[str, Any]
COLUMNS = ("faults", "numbers", "once", "lost_sight", "unplaced", "bridge", "seconds")
PBX_SPEED = 4  # simulated seconds of ringing and talking in one; what is said takes as long as it takes
LINES = 30
RATE = 20  # calls a second over the trunk
CALM = 240.0  # seconds until everything must have come to rest
HOLDERS, BRIDGES = ("asterisk-1", "asterisk-2"), ("voice-1", "voice-2")  # of the holders, one stands by
KILLED = (*HOLDERS, *BRIDGES, "worker-1")
DROPS = 2  # of the event socket, while telephones ring
OUTCOMES = ("answered", "busy", "congestion", "invalid_number", "no_answer", "rejected")
MEANS: Mapping[str, frozenset[str]] = {  # what the far end did → what may be said of it
    "answered": frozenset({"answered"}),
    "voicemail": frozenset({"answered"}),
    "no_answer": frozenset({"no_answer"}),
    "busy": frozenset({"busy"}),
    "rejected": frozenset({"rejected"}),
    "invalid": frozenset({"invalid_number"}),
    "congestion": frozenset({"congestion"}),
}
UNSEEN = frozenset({"lost_sight"})  # nobody was listening when it ended
UNHEARD = frozenset({"bridge_lost", "no_bridge"})  # somebody answered, and the bridge had died
BEHAVIOUR = {"*": {"words_per_second": 12, "think_ms": 50, "silence_ms": 200}}


class PbxHouse(House):
    """With a PBX, the process that holds it, and a voice bridge."""

    def _move_in(self) -> str:
        token = super()._move_in()
        self.pbx, self.pbx_ledger = f"http://127.0.0.1:{free_port()}", self.folder / "pbx-ledger.jsonl"
        port, speed = self.pbx.rpartition(":")[2], str(PBX_SPEED)
        simulator = ("-m", "integrations.asterisk.simulator", "--port", port, "--speed", speed)
        programs = (
            self._program("pbx", *simulator, "--ledger", str(self.pbx_ledger)),
            *(self._program(name, "manage.py", "voice") for name in BRIDGES),
            *(self._program(name, "manage.py", "asterisk") for name in HOLDERS),
        )
        list(self._supervisor.wait_ready(*map(self._supervisor.start, programs)))
        self.ask("-m", "tests.chaos.prepare", "--pbx", self.pbx, str(LINES), str(RATE))
        return token

    def phones(self, path: str, body: Json | None = None) -> Any:
        """What the PBX's control API says."""
        return Api(address=self.pbx).call(f"/_sim/{path}", body=body)

    def dials(self) -> dict[str, Json]:
        """Every dial that left, by the channel's id, which is the call's; as it ended, where it has."""
        lines = [json.loads(line) for line in self.pbx_ledger.read_text().splitlines()]
        return {line["channel_id"]: line for line in lines if line["event"] in {"placed", "ended"}}


@dataclass(kw_only=True)
class Found:
    """What a seed has left behind."""

    numbers: list[str]
    rows: Json
    dials: dict[str, Json]
    channels: int
    faults: Counter[str]
    status: str
    seconds: float


def play(house: PbxHouse, seed: int, *, size: int, storm: float) -> Found:
    """The campaign and the storm, then the calm."""
    rng, began, faults = random.Random(f"over a pbx:{seed}"), time.time(), Counter[str]()
    numbers = [f"+1555{seed % 1000:03}{number:04}" for number in range(size)]
    house.provider("/_sim/sockets", BEHAVIOUR)
    known = set(house.dials()) if house.pbx_ledger.exists() else set()
    web = Api(address=house.address, token=house.token)
    wishes = {"node_id": "pbx_asterisk", "max_concurrent": LINES, "pacing": "continuous", "numbers": numbers}
    run = web.call("/telephony/dialer/start", body={"workspace_id": 1, "name": f"pbx {seed}/0", **wishes})["call_id"]
    wanted = [(rng.uniform(0.1, 1.0) * storm, name) for name in (*KILLED, *["drop"] * DROPS)]
    for at, name in sorted(wanted):
        _pass(house, began + at - time.time())
        faults[f"kill {name}" if name != "drop" else "event socket dropped"] += _strike(house, name)
    status = ""
    while time.time() < began + storm + CALM:
        _pass(house, 1.0)
        status = _status(web, run) or status
        if status == "paused":  # so much has failed in a row that somebody must have a look: that is us
            faults["stopped by the breaker"] += _resume(web, run)
        if status in FINAL and not (rows := _rows(house, seed))["open_chunks"] and not _up(house):
            break
    rows = _rows(house, seed)
    dials = {call_id: dial for call_id, dial in house.dials().items() if call_id not in known}
    return Found(
        numbers=numbers, rows=rows, dials=dials, channels=_up(house), faults=+faults, status=status,
        seconds=time.time() - began,
    )  # fmt: skip


def broken(found: Found) -> Iterator[str]:
    """Every promise that was not kept, as a sentence."""
    calls = {call["call_id"]: call for call in found.rows["calls"]}
    counted = {call_id: call for call_id, call in calls.items() if call["status"] != "cancelled"}
    times = Counter(dial["number"] for dial in found.dials.values())
    unseen = {call["subscriber_phone"] for call in counted.values() if call["reason"] in UNSEEN}
    yield from (f"a number was dialled {count} times" for count in times.values() if count > 1)
    yield from ("a number was never dialled" for number in found.numbers if not times[number] and number not in unseen)
    for call_id, dial in found.dials.items():
        call = counted.get(call_id)
        if call is None or call["subscriber_phone"] != dial["number"]:
            yield "a dial is not in the journal"
        elif not _is_told(call, dial):
            yield f"{dial['outcome']} there is {call['outcome']} ({call['reason'] or 'no reason'}) here"
    for call_id in counted.keys() - found.dials.keys():
        if counted[call_id]["reason"] not in UNSEEN:
            yield f"a call is {counted[call_id]['outcome']} in the journal and was never dialled"
    if len(counted) != len(found.numbers):
        yield f"{len(counted)} calls for {len(found.numbers)} numbers"
    if found.status != "completed" or found.channels:
        yield f"the campaign is {found.status}, {found.channels} channels and bridges are left on the PBX"
    for name in ("open_chunks", "open_sessions", "strangers", "contradictions", "audit"):
        if found.rows[name]:
            yield f"{name.replace('_', ' ')}: {found.rows[name]}"
    most = _most_at_once(found.dials)
    if most > LINES:
        yield f"{most} calls at once on a PBX of {LINES}"
    for outcome in OUTCOMES:
        if len(found.numbers) >= 200 and outcome not in {call["outcome"] for call in counted.values()}:
            yield f"no call ended as {outcome}: this proves little"


def told(found: Found) -> Json:
    """The figures of a seed."""
    calls = [call for call in found.rows["calls"] if call["status"] != "cancelled"]
    unseen = [call["call_id"] for call in calls if call["reason"] in UNSEEN]
    return {
        "numbers": len(found.numbers),
        "once": len(found.dials),
        "lost_sight": len(unseen),
        "unplaced": sum(call_id not in found.dials for call_id in unseen),
        "bridge": sum(call["reason"] in UNHEARD for call in calls),
        "faults": sum(found.faults.values()),
        "seconds": round(found.seconds, 1),
        "outcomes": dict(Counter(call["outcome"] for call in calls)),
    }


def _is_told(call: Json, dial: Json) -> bool:
    """Whether the journal says of a dial what became of it, or that it cannot know."""
    if call["reason"] in UNSEEN:
        return bool(call["outcome"] == "error")
    if call["reason"] in UNHEARD:
        return bool(call["outcome"] == "error") and dial["answered_at"] is not None
    return call["outcome"] in MEANS.get(dial["outcome"] or "", ())


def _most_at_once(dials: Mapping[str, Json]) -> int:
    edges = [(dial["placed_at"], 1) for dial in dials.values()]
    edges += [(dial["ended_at"], -1) for dial in dials.values() if dial["ended_at"] is not None]
    up = most = 0
    for _, change in sorted(edges):
        up += change
        most = max(most, up)
    return most


def _strike(house: PbxHouse, name: str) -> bool:
    if name != "drop":
        return house.die(name)
    return bool(house.phones("events", {"action": "drop"})["sockets"])


def _status(web: Api, run: str) -> str:
    try:
        return str(web.call(f"/telephony/runs/{run}")["status"])
    except (OSError, HTTPException):
        return ""


def _resume(web: Api, run: str) -> bool:
    try:
        return bool(web.call(f"/telephony/runs/{run}/resume", body={}))
    except (OSError, HTTPException):
        return False


def _up(house: PbxHouse) -> int:
    state = house.phones("state")
    return len(state["channels"]) + len(state["bridges"])


def _rows(house: PbxHouse, seed: int) -> Json:
    rows: Json = json.loads(house.ask("-m", "tests.chaos.rows", f"pbx {seed}/"))
    return rows


def _pass(house: PbxHouse, seconds: float) -> None:
    until = time.time() + seconds
    while (left := until - time.time()) > 0:
        if not house.wait(min(left, 0.2)):
            raise StoppedError


def over_pbx(options: argparse.Namespace) -> int:
    """Play the seeds; 1 where anything was broken."""
    screen, seeds, violations = Screen(), list[Json](), 0
    with suppress(StoppedError, StoppedWhileStarting), house(keep=options.keep, kind=PbxHouse) as ours:
        screen.remark(f"logs in {ours.folder}" if options.keep else "everything is up")
        screen.heading("  ".join(f"{name:>10}" for name in ("seed", *COLUMNS)))
        for seed in range(options.seed, options.seed + options.seeds):
            found = play(ours, seed, size=options.numbers, storm=options.storm)
            figures, sentences = told(found), list(broken(found))
            screen.remark("  ".join(f"{value!s:>10}" for value in (seed, *(figures[name] for name in COLUMNS))))
            for name, times in sorted({**found.faults, **figures["outcomes"]}.items()):
                screen.fact(f"{times:>6}", name)
            for sentence, times in Counter(sentences).most_common(20):
                screen.failed(sentence, detail=f"{times} times" if times > 1 else "")
            seeds.append({"seed": seed, **figures, "faults_seen": dict(found.faults), "violations": sentences})
            violations += len(sentences)
    screen.note(f"{violations} promises broken" if violations else f"No promise broken: {len(seeds)} seeds.")
    if options.json:
        options.json.write_text(json.dumps({"seeds": seeds, "violations": violations}, indent=2) + "\n")
    return 1 if violations or not seeds else 0
