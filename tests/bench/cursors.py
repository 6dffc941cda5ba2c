"""Four writers and a reader by cursor: how many rows the reader is never given.

The rival writes the same rows with ids of a PostgreSQL sequence, which are given out before the commit, and reads
everything after the highest id it has seen.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from functools import partial

from django.db import connection, connections, transaction

from aispinner.core.models import Workspace
from telephony.journal.delta import Cursor, Order
from telephony.journal.filters import Filters
from telephony.journal.page import read_journal
from telephony.journal.scope import scope_of_workspaces
from tests.bench import databases
from tests.bench.rows import Figures, Goal, Row
from tests.factories import make_workspace
from tests.journal.rows import make_call

WRITERS, ROWS = 4, 200  # rows of each writer
MOMENT = 0.002  # seconds that a transaction may still take after its row is written


def ours(*, rows: int = ROWS) -> Figures:
    """Calls, written as everybody writes them; read by `since_id`."""
    with databases.fresh("bench_cursors"):
        workspace = make_workspace("Bench")
        scopes, seen, at = scope_of_workspaces([workspace]), set[int](), 0

        def look() -> int:
            nonlocal at
            journal = read_journal(scopes=scopes, filters=Filters(), cursor=Cursor(order=Order.ID, at=at), limit=1000)
            seen.update(call.id for call in journal.calls)
            at = journal.point.max_id
            return len(seen)

        return _run(partial(_write_call, workspace), look, rows=rows)


def serial_ids(*, rows: int = ROWS) -> Figures:
    """Rows of a table with plain serial ids."""
    with databases.fresh("bench_cursors"):
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE serial_call (id bigserial PRIMARY KEY, phone text)")
        seen, at = set[int](), 0

        def look() -> int:
            nonlocal at
            with connection.cursor() as cursor:
                cursor.execute("SELECT id FROM serial_call WHERE id > %s ORDER BY id LIMIT 1000", [at])
                found = [row[0] for row in cursor.fetchall()]
            seen.update(found)
            at = max(found, default=at)
            return len(seen)

        return _run(_write_serial, look, rows=rows)


def _write_call(workspace: Workspace, pause: float) -> None:
    with transaction.atomic():
        make_call(workspace=workspace)
        time.sleep(pause)


def _write_serial(pause: float) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("INSERT INTO serial_call (phone) VALUES ('+15550100123')")
        time.sleep(pause)


def _run(write: Callable[[float], None], look: Callable[[], int], *, rows: int) -> Figures:
    chance = random.Random(7)
    pauses = [[chance.random() * MOMENT for _ in range(rows)] for _ in range(WRITERS)]

    def work(mine: list[float]) -> None:
        try:
            for pause in mine:
                write(pause)
        finally:
            connections.close_all()

    writers = [threading.Thread(target=work, args=(mine,)) for mine in pauses]
    began = time.monotonic()
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        look()
    took = time.monotonic() - began
    return {"lost": WRITERS * rows - look(), "rows/s": WRITERS * rows / took}


CURSORS = Row(
    name="cursors",
    says=f"{WRITERS} writers and a reader by cursor, against plain serial ids",
    measure=ours,
    rival=serial_ids,
    goals=(Goal(what="rows lost", figure=lambda mine, _theirs: mine["lost"], at_most=0),),
    quick=(partial(ours, rows=20), partial(serial_ids, rows=20)),
)
