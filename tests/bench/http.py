"""Over HTTP, on a data set of a million calls: the last 200 calls, a delta with nothing new, and what a token costs."""

from __future__ import annotations

import contextlib
import http.client
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from knox.crypto import hash_token

from aispinner.core.models import ApiToken
from telephony.journal.delta import read_mark
from tests.bench.data import BIG, data_set
from tests.bench.load import CONNECTIONS, SECONDS, Answers, ask, get
from tests.bench.rows import Figures, Goal, Row, Together
from tests.bench.servers import Server, serving

# As production serves HTTP (docker/compose.yaml).
RIVALS = ("--interface", "wsgi", "--workers", "2", "--application", "tests.bench.rivals.web:application")
OURS = ("--interface", "wsgi", "--workers", "2")
WARM = 0.5  # seconds
TURN, TURNS = 0.3, 10  # seconds; turns of each


@dataclass(frozen=True)
class Served:
    """A server on a data set, the token of who sees everything in it, and where its journal stands."""

    server: Server
    token: str
    node: str
    mark: int

    def get(self, path: str, *, token: bool = True) -> bytes:
        """A request for it."""
        return get(path, token=self.token if token else "")

    def asked(self, request: bytes) -> Figures:
        """Answers a second, and what one costs the server of the processor, without PostgreSQL's part."""
        return self._measured({"answers": request}, turns=1, seconds=SECONDS)

    def in_turns(self, requests: Mapping[str, bytes]) -> dict[str, float]:
        """The same for each of these, by their names.

        They differ by less than such a machine does from one second to the next: so all are asked on one server, in
        turns of a fraction of a second.
        """
        return self._measured(requests, turns=TURNS, seconds=TURN)

    def _measured(self, requests: Mapping[str, bytes], *, turns: int, seconds: float) -> dict[str, float]:
        port, found = self.server.port, {name: Answers() for name in requests}
        used: dict[str, float] = defaultdict(float)
        for request in requests.values():
            ask(port, [request], seconds=WARM)
        for turn in range(turns):
            for name in list(requests) if turn % 2 == 0 else reversed(list(requests)):
                before = self.server.cpu_seconds()
                found[name].add(ask(port, [requests[name]], seconds=seconds))
                used[name] += self.server.cpu_seconds() - before
        rates = {f"{name}/s": answers.rate for name, answers in found.items()}
        return rates | {f"{name}: CPU ms each": used[name] / found[name].count * 1000 for name in requests}


@contextlib.contextmanager
def served(size: str, *arguments: str) -> Iterator[Served]:
    """The real server, or the rivals on the same one."""
    with data_set(size) as world, serving(*arguments, environment={"API_RATE": "1000000000/min"}) as server:
        yield Served(server, world.token(), world.node(BIG).node_id, read_mark())


def last_calls(size: str) -> Figures:
    """The last 200 calls of the node that has half of them."""
    with served(size, *OURS) as ours:
        return ours.asked(ours.get(f"/telephony/journal/{ours.node}"))


def last_calls_serialized(size: str) -> Figures:
    """The same by a ModelSerializer."""
    with served(size, *RIVALS) as theirs:
        return theirs.asked(theirs.get(f"/rival/calls/{theirs.node}"))


def nothing_new(size: str) -> Figures:
    """A delta that holds nothing, and an answer that could not be emptier."""
    with served(size, *OURS) as ours:
        delta = ours.get(f"/telephony/journal/{ours.node}?since_id={ours.mark}")
        return ours.in_turns({"answers": delta, "empty": ours.get("/healthz", token=False)})


def nothing_new_counted(size: str) -> Figures:
    """The same with live aggregates."""
    with served(size, *RIVALS) as theirs:
        return theirs.asked(theirs.get(f"/rival/delta/{theirs.node}?since_id={theirs.mark}"))


WITH_TOKEN, LOOKED_UP, OPEN = "with-token", "looked-up", "open"


def doors(size: str) -> Mapping[str, Figures]:
    """A delta for whoever has a token, with the token looked up each time (and no throttle), and open to everybody."""
    with served(size, *RIVALS) as server:
        query = f"journal/{server.node}?since_id={server.mark}"
        asked = server.in_turns({door: server.get(f"/{door}/{query}") for door in (WITH_TOKEN, LOOKED_UP, OPEN)})
        figures = {door: {"answers/s": asked[f"{door}/s"]} for door in (WITH_TOKEN, LOOKED_UP, OPEN)}
        figures[WITH_TOKEN]["revoked: s until refused"] = revoked_after(server)
        return figures


def revoked_after(served: Served) -> float:
    """Seconds from a token's end until no process of the server takes it any more: each has some of the connections."""
    with contextlib.ExitStack() as stack:
        open_ = [
            stack.enter_context(contextlib.closing(http.client.HTTPConnection("127.0.0.1", served.server.port)))
            for _ in range(CONNECTIONS)
        ]
        assert {_status(each, served.token) for each in open_} == {200}
        ApiToken.objects.get(digest=hash_token(served.token)).delete()
        began = taken = time.monotonic()
        while time.monotonic() < taken + 2:  # refused by all, twice as long as it may take
            for each in open_:
                if _status(each, served.token) == 200:
                    taken = time.monotonic()
        return taken - began


def _status(connection: http.client.HTTPConnection, token: str) -> int:
    connection.request("GET", "/auth/tokens", headers={"Authorization": f"Bearer {token}"})
    with connection.getresponse() as response:
        response.read()
        return response.status


def _times(mine: Figures, theirs: Figures) -> float:
    return mine["answers/s"] / theirs["answers/s"]


LAST_CALLS = Row(
    name="last-200",
    says="the last 200 calls with transcripts over HTTP, against a DRF ModelSerializer on the same server",
    measure=partial(last_calls, "1M"),
    rival=partial(last_calls_serialized, "1M"),
    goals=(Goal(what="answers/s against the rival's", figure=_times, at_least=6, unit="x"),),
    quick=(partial(last_calls, "10k"), partial(last_calls_serialized, "10k")),
)
DELTA = Row(
    name="delta",
    says="a delta with nothing new on a node of 500,000 calls, against DRF with live aggregates",
    measure=partial(nothing_new, "1M"),
    rival=partial(nothing_new_counted, "1M"),
    goals=(
        Goal(what="answers/s against live aggregates", figure=_times, at_least=300, unit="x"),
        Goal(
            what="answers/s against the same server's empty answer",
            figure=lambda mine, _theirs: mine["answers/s"] / mine["empty/s"],
            at_least=0.35,
            unit="x",
        ),
    ),
    quick=(partial(nothing_new, "10k"), partial(nothing_new_counted, "10k")),
)
_doors, _doors_quick = Together(partial(doors, "1M")), Together(partial(doors, "10k"))
AUTH = Row(
    name="auth",
    says="a delta for whoever has a token (and is throttled), against the same one open",
    measure=_doors.side(WITH_TOKEN),
    rival=_doors.side(OPEN),
    also={LOOKED_UP: _doors.side(LOOKED_UP)},
    goals=(
        Goal(what="answers/s against open", figure=_times, at_least=0.9, unit="x"),
        Goal(
            what="a revoked token is refused by every process after",
            figure=lambda mine, _theirs: mine["revoked: s until refused"],
            at_most=1,
            unit=" s",
        ),
    ),
    quick=(_doors_quick.side(WITH_TOKEN), _doors_quick.side(OPEN)),
)
