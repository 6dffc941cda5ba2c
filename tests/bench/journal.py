"""Every question to the journal, asked of a million calls and of ten thousand: its time must not grow with the past.

In process, as a request would ask it; without the server and the JSON around it, which cost the same at any size. What
is asked for holds a whole page at either size, or nothing: an answer of fifty calls is no rival for one of 200.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from aispinner.core.models import NodeType
from integrations.calls import Outcome
from telephony.journal import page
from telephony.journal.delta import Cursor, Order, read_mark
from telephony.journal.filters import Filters
from telephony.journal.page import read_journal
from telephony.journal.query import call_by_id
from telephony.journal.scope import Scope, scope_of_workspaces, scopes_of_nodes
from telephony.models import Call, CallStatus
from tests.bench.data import BIG, EMPTY, QUIET, World, data_set, some_run
from tests.bench.rows import Figures, Goal, Row

Ask = Callable[[], Any]
TIMES, LIMIT = 15, 200
SMALL = 4  # of the smaller nodes, the last that has a page of calls among ten thousand
ALLOWED, PLUS = 1.5, 0.3  # times as long, or so many milliseconds more


def questions(world: World) -> Mapping[str, Ask]:
    """What is asked, by name."""
    mine = scope_of_workspaces(world.everyone.workspaces.all())
    big, phone = (scopes_of_nodes([world.node(BIG, kind)]) for kind in (NodeType.PBX, NodeType.PHONE_NUMBER))
    small = scopes_of_nodes([world.node(SMALL)])
    quiet, empty = (scope_of_workspaces([world.workspace(place)]) for place in (QUIET, EMPTY))
    run, mark = some_run(world.workspace(BIG)), read_mark()
    middle = Call.objects.filter(run=run).latest("pk")
    day = middle.created_at.replace(hour=0, minute=0, second=0, microsecond=0)
    after = Call.objects.filter(pbx_node=middle.pbx_node_id, created_at__gte=day).order_by("pk")
    full = after[LIMIT].created_at.replace(hour=0, minute=0, second=0, microsecond=0)
    days = Filters(since=day, until=full + timedelta(days=1, microseconds=-1))  # a day, or as many as hold a page
    minutes = Filters(since=middle.created_at, until=after.filter(pk__gte=middle.pk)[300].created_at)
    never = Filters(since=day + timedelta(days=4000), until=day + timedelta(days=4001, microseconds=-1))
    failed, ringing = (Filters(statuses=(status,)) for status in (CallStatus.FAILED, CallStatus.RINGING))
    return {
        "a node's last 200": partial(ask, big),
        "everybody's last 200": partial(ask, mine),
        "a small node's": partial(ask, small),
        "a phone number's": partial(ask, phone),
        "a quiet workspace's": partial(ask, quiet),
        "an empty workspace's": partial(ask, empty),
        "one status": partial(ask, big, failed),
        "one status, everybody's": partial(ask, mine, failed),
        "a status that none has": partial(ask, big, ringing),
        "whole days": partial(ask, big, days),
        "whole days, everybody's": partial(ask, mine, days),
        "300 calls' minutes": partial(ask, big, minutes),
        "days with no call": partial(ask, mine, never),
        "one outcome of a day, quiet": partial(ask, quiet, Filters(outcomes=(Outcome.BUSY,))),
        "an older page": partial(ask, big, cursor=Cursor(at=middle.pk)),
        "since_id, nothing new": partial(ask, big, cursor=Cursor(order=Order.ID, at=mark)),
        "since_version, nothing new": partial(ask, mine, cursor=Cursor(order=Order.VERSION, at=mark)),
        "since_version, 50 new": partial(ask, mine, cursor=Cursor(order=Order.VERSION, at=mark - 50 * 5)),
        "a campaign's": partial(ask, mine, Filters(run_id=run.pk)),
        "one call": partial(call_by_id, call_id=middle.call_id, workspaces=[scope.ids[0] for scope in mine]),
    }


def ask(scopes: list[Scope], filters: Filters | None = None, cursor: Cursor | None = None) -> Any:
    """One page, with all that comes with it."""
    return read_journal(scopes=scopes, filters=filters or Filters(), cursor=cursor or Cursor(), limit=LIMIT)


def at(size: str) -> Figures:
    """The median of each question, in milliseconds."""
    with data_set(size) as world:
        return {name: _median(question) for name, question in questions(world).items()}


def _median(question: Ask) -> float:
    question()
    took = []
    for _ in range(TIMES):
        page._nothing_new.clear()  # what is measured is the question, not the memory of its answer
        began = time.perf_counter()
        question()
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


def of_allowed(name: str) -> Callable[[Figures, Figures], float]:
    """How much of the time that it may take at a million it does take."""
    return lambda large, small: large[name] / max(ALLOWED * small[name], small[name] + PLUS)


NAMES = (
    *("a node's last 200", "everybody's last 200", "a small node's", "a phone number's", "a quiet workspace's"),
    *("an empty workspace's", "one status", "one status, everybody's", "a status that none has", "whole days"),
    *("whole days, everybody's", "300 calls' minutes", "days with no call", "one outcome of a day, quiet"),
    *("an older page", "since_id, nothing new", "since_version, nothing new", "since_version, 50 new"),
    *("a campaign's", "one call"),
)
JOURNAL = Row(
    name="journal",
    says="p50 in ms of every question, a million calls against ten thousand",
    measure=partial(at, "1M"),
    rival=partial(at, "10k"),
    rounds=9,  # of a second or two: the machine changes more slowly than that
    also={"100k": partial(at, "100k")},
    goals=tuple(
        Goal(what=f"{name}: of max(1.5x, +0.3 ms)", figure=of_allowed(name), at_most=1, unit="x") for name in NAMES
    ),
    quick=(partial(at, "10k"), partial(at, "10k")),
)
