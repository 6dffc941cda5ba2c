"""A campaign of 10,000 numbers as fast as rows can be written: real workers, durable rows, a provider without latency.

Beside it, what each process holds in memory meanwhile, and what a call takes up in the database. Memory that
processes share is counted once (the kernel's PSS), but for theirs of one kind, of which the largest is told.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from celery import current_app
from django.db import connection
from django.utils import timezone

from aispinner.core import broker
from telephony.dialer.bell import ring_runs
from telephony.models import Pacing, Run
from tests.bench import databases
from tests.bench.load import ask as ask_server
from tests.bench.load import get
from tests.bench.rivals.campaign import RivalCampaign, RivalNumber, models_of_a_dialer
from tests.bench.rows import Figures, Goal, Row
from tests.bench.servers import ROOT, Server, serving
from tests.factories import make_account, make_key, make_member, make_run, make_user, make_workspace

NUMBERS, RIVAL_NUMBERS, AT_ONCE = 10_000, 1_000, 1_000
PROCESSES = 2
PATIENCE = 300.0  # seconds
LOOK = 0.5  # seconds between looks at memory, which take some of the machine


def ours(*, numbers: int = NUMBERS) -> Figures:
    """Numbers a second through the real dispatcher; megabytes of each process; bytes a call."""
    with databases.fresh("bench_campaign"), worker("tests.bench.instant") as process, beat() as clock, watched() as web:
        run = _run(numbers)
        before = _database_bytes()
        memory = Memory(worker=process.pid, web=web.pid, beat=clock.pid)
        began = time.monotonic()
        ring_runs([run.pk])
        _until_over(run, memory)
        took = time.monotonic() - began
        memory.look()  # a short one has had none
        return {
            "numbers/s": numbers / took,
            **memory.megabytes(),
            "bytes/call": (_database_bytes() - before) / numbers,
        }


def task_per_call(*, numbers: int = RIVAL_NUMBERS) -> Figures:
    """Numbers a second by a task for each call."""
    with databases.fresh("bench_campaign"):
        with connection.schema_editor() as editor:
            for model in models_of_a_dialer():
                editor.create_model(model)
        campaign = RivalCampaign._default_manager.create()
        RivalNumber._default_manager.bulk_create(
            RivalNumber(campaign=campaign, number=f"+1555{place:07}") for place in range(numbers)
        )
        with worker("tests.bench.rivals.worker"):
            began = time.monotonic()
            for number_id in RivalNumber._default_manager.order_by("pk").values_list("pk", flat=True):
                current_app.send_task("rival.dial", args=[number_id])
            while RivalCampaign._default_manager.filter(done__lt=numbers).exists():
                assert time.monotonic() - began < PATIENCE, "the rival's campaign does not end"
                time.sleep(0.1)
            return {"numbers/s": numbers / (time.monotonic() - began)}


@contextlib.contextmanager
def worker(application: str) -> Iterator[subprocess.Popen[bytes]]:
    """Celery's worker with two processes, ready."""
    argv = [sys.executable, "-m", "celery", "-A", application, "worker", "--concurrency", str(PROCESSES)]
    options = ["--without-gossip", "--without-mingle", "--loglevel", "ERROR"]
    process = subprocess.Popen([*argv, *options], cwd=ROOT, env=os.environ, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while not current_app.control.ping(timeout=0.5):
            assert time.monotonic() < until, "the worker does not start"
            assert process.poll() is None, "the worker has ended"
        yield process
    finally:
        process.terminate()
        process.wait(60)


@contextlib.contextmanager
def beat() -> Iterator[subprocess.Popen[bytes]]:
    """Celery's beat, which rings for the sweeps."""
    with tempfile.TemporaryDirectory(prefix="aispinner-") as folder:
        argv = [sys.executable, "-m", "celery", "-A", "aispinner", "beat", "--loglevel", "ERROR"]
        options = ["--pidfile=", "--schedule", f"{folder}/schedule"]
        process = subprocess.Popen([*argv, *options], cwd=ROOT, env=os.environ, stdout=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


@contextlib.contextmanager
def watched() -> Iterator[Server]:
    """The web server, which somebody asks for the journal all the time."""
    from aispinner.core.auth import issue_token

    stop = threading.Event()
    user = make_user("watcher")
    with serving("--interface", "wsgi") as server:
        request = get("/telephony/journal", token=issue_token(user=user)[1])

        def watch() -> None:
            while not stop.wait(0.2):
                ask_server(server.port, [request], seconds=0.05, connections=1)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield server
        finally:
            stop.set()
            thread.join()


def _run(numbers: int) -> Run:
    from django.contrib.auth.models import User

    workspace = make_workspace("Bench")
    make_member(workspace=workspace, user=User.objects.get(username="watcher"))
    return make_run(
        workspace=workspace,
        key=make_key(workspace=workspace, account=make_account(limit=AT_ONCE)),
        numbers=[f"+1555{place:07}" for place in range(numbers)],
        max_concurrent=AT_ONCE,
        pacing=Pacing.CONTINUOUS,
        next_at=timezone.now(),
    )


def _until_over(run: Run, memory: Memory) -> None:
    began = looked = time.monotonic()
    while not Run.objects.filter(pk=run.pk, status="completed").exists():
        now = time.monotonic()
        assert now - began < PATIENCE, "the campaign does not end"
        if now - looked > LOOK:
            memory.look()
            looked = now
        time.sleep(0.05)


class Memory:
    """The most that processes held, of ours and of the databases."""

    def __init__(self, **pids: int) -> None:
        self._pids, self._most = pids, Counter[str]()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            self._postgres = _parent(cursor.fetchone()[0])
        told: Any = broker.client().info("server")
        self._valkey: int = told["process_id"]

    def look(self) -> None:
        """As it is now."""
        found = {name: max(map(_resident, [pid, *_children(pid)])) for name, pid in self._pids.items()}
        found["PostgreSQL"] = sum(map(_proportional, [self._postgres, *_children(self._postgres)]))
        found["Valkey"] = _proportional(self._valkey)
        self._most |= Counter(found)

    def megabytes(self) -> Figures:
        """`{"worker MB": …}`"""
        return {f"{name} MB": most / 1e6 for name, most in self._most.items()}


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _resident(pid: int) -> int:
    """Bytes; 0 of a process that has just ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _proportional(pid: int) -> int:
    """The same, of what is shared with other processes only its part."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return int(rollup.partition("\nPss:")[2].split(maxsplit=1)[0]) * 1024
    return 0


def _database_bytes() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])


CAMPAIGN = Row(
    name="campaign",
    says=f"{NUMBERS:,} numbers with two worker processes, against a Celery task for each of {RIVAL_NUMBERS:,} calls",
    measure=ours,
    rival=task_per_call,
    goals=(
        Goal(
            what="numbers/s against the rival's",
            figure=lambda mine, theirs: mine["numbers/s"] / theirs["numbers/s"],
            at_least=15,
            unit="x",
        ),
    ),
    quick=(partial(ours, numbers=50), partial(task_per_call, numbers=20)),
)
