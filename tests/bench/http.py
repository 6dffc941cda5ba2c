"""Over HTTP, on a data set of a million calls: the last 200 calls, a delta with nothing new, and what a token costs."""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from knox.crypto import hash_token

from aispinner.core.models import ApiToken
from telephony.journal.delta import read_mark
from tests.bench.data import BIG, data_set
from tests.bench.load import CONNECTIONS, ask, get
from tests.bench.rows import Figures, Goal, Row
from tests.bench.servers import Server, serving

# As production serves HTTP (docker/compose.yaml).
RIVALS = ("--interface", "wsgi", "--workers", "2", "--application", "tests.bench.rivals.web:application")
OURS = ("--interface", "wsgi", "--workers", "2")
WARM = 0.5  # seconds


@dataclass(frozen=True)
class Served:
    """A server on a data set, the token of who sees everything in it, and where its journal stands."""

    server: Server
    token: str
    node: str
    mark: int

    def asked(self, path: str, *, name: str = "answers", token: bool = True) -> Figures:
        """Answers a second, and what one costs the server of the processor, without PostgreSQL's part."""
        request = get(path, token=self.token if token else "")
        ask(self.server.port, [request], seconds=WARM)
        used = self.server.cpu_seconds()
        answers = ask(self.server.port, [request])
        used = self.server.cpu_seconds() - used
        return {f"{name}/s": answers.rate, f"{name}: CPU ms each": used / answers.count * 1000}


@contextlib.contextmanager
def served(size: str, *arguments: str) -> Iterator[Served]:
    """The real server, or the rivals on the same one."""
    with data_set(size) as world, serving(*arguments, environment={"API_RATE": "1000000000/min"}) as server:
        yield Served(server, world.token(), world.node(BIG).node_id, read_mark())


def last_calls(size: str) -> Figures:
    """The last 200 calls of the node that has half of them."""
    with served(size, *OURS) as ours:
        return ours.asked(f"/telephony/journal/{ours.node}")


def last_calls_serialized(size: str) -> Figures:
    """The same by a ModelSerializer."""
    with served(size, *RIVALS) as theirs:
        return theirs.asked(f"/rival/calls/{theirs.node}")


def nothing_new(size: str) -> Figures:
    """A delta that holds nothing, and an answer that could not be emptier."""
    with served(size, *OURS) as ours:
        delta = ours.asked(f"/telephony/journal/{ours.node}?since_id={ours.mark}")
        return {**delta, **ours.asked("/healthz", name="empty", token=False)}


def nothing_new_counted(size: str) -> Figures:
    """The same with live aggregates."""
    with served(size, *RIVALS) as theirs:
        return theirs.asked(f"/rival/delta/{theirs.node}?since_id={theirs.mark}")


def with_token(size: str) -> Figures:
    """A delta, for whoever has a token; and with the token looked up each time, without a throttle."""
    with served(size, *RIVALS) as ours:
        query = f"journal/{ours.node}?since_id={ours.mark}"
        rates = {**ours.asked(f"/with-token/{query}"), **ours.asked(f"/looked-up/{query}", name="looked up")}
        return {**rates, "revoked: s until refused": revoked_after(ours)}


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


def without_token(size: str) -> Figures:
    """The same delta, open to everybody."""
    with served(size, *RIVALS) as theirs:
        return theirs.asked(f"/open/journal/{theirs.node}?since_id={theirs.mark}")


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
AUTH = Row(
    name="auth",
    says="a delta for whoever has a token (and is throttled), against the same one open",
    measure=partial(with_token, "1M"),
    rival=partial(without_token, "1M"),
    goals=(
        Goal(what="answers/s against open", figure=_times, at_least=0.9, unit="x"),
        Goal(
            what="a revoked token is refused by every process after",
            figure=lambda mine, _theirs: mine["revoked: s until refused"],
            at_most=1,
            unit=" s",
        ),
    ),
    rounds=7,  # they differ by a twentieth
    quick=(partial(with_token, "10k"), partial(without_token, "10k")),
)
