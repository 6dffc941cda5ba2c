"""Starting in order, restarting, stopping in order, and leaving nothing behind, with toy programs."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from aispinner.local.errors import CannotRunError, StoppedError
from aispinner.local.guard import is_alive
from aispinner.local.programs import Program, Stage
from aispinner.local.supervisor import BACK_OFF, Supervisor, back_off
from tests.local.conftest import Script, eventually

FOREVER = "while :; do sleep 0.05; done"


def toy(tmp_path: Path, name: str, script: str, *, stage: Stage = Stage.PRODUCER, grace: float = 5.0) -> Program:
    """A shell script that is ready once it has made the file `<name>.ready`."""
    ready = tmp_path / f"{name}.ready"
    return Program(
        name=name,
        argv=["/bin/sh", "-c", script],
        log=tmp_path / f"{name}.log",
        cwd=tmp_path,
        stage=stage,
        grace=grace,
        ready=lambda _pid: ready.exists(),
    )


def diarist(name: str) -> str:
    """A script that writes into `diary` when it comes and when it goes."""
    return f"trap 'echo {name} >> diary; exit 0' TERM; touch {name}.ready; {FOREVER}"


def test_producers_stop_first_then_the_broker_then_the_database(supervisor: Supervisor, tmp_path: Path) -> None:
    database = supervisor.start(toy(tmp_path, "database", diarist("database"), stage=Stage.DATABASE))
    broker = supervisor.start(toy(tmp_path, "broker", diarist("broker"), stage=Stage.BROKER))
    worker = supervisor.start(toy(tmp_path, "worker", diarist("worker")))
    names = {child.program.name for child, _ in supervisor.wait_ready(database, broker, worker)}
    assert names == {"database", "broker", "worker"}
    supervisor.stop()
    assert (tmp_path / "diary").read_text().split() == ["worker", "broker", "database"]


def test_a_program_that_ends_before_it_is_ready_is_shown_with_the_end_of_its_log(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    child = supervisor.start(toy(tmp_path, "web", "echo the port is taken; exit 3"))
    with pytest.raises(CannotRunError, match=r"(?s)web ended with code 3.*the port is taken"):
        list(supervisor.wait_ready(child))


def test_a_program_that_is_never_ready_is_given_up(supervisor: Supervisor, tmp_path: Path) -> None:
    child = supervisor.start(toy(tmp_path, "web", FOREVER))
    with pytest.raises(CannotRunError, match="web was not ready after 0 s"):
        list(supervisor.wait_ready(child, timeout=0.1))


def test_what_is_run_once_says_how_it_failed(supervisor: Supervisor, tmp_path: Path) -> None:
    assert supervisor.run_to_end(toy(tmp_path, "good", "exit 0")) < 5
    with pytest.raises(CannotRunError, match=r"(?s)migrate failed with code 1.*no such table"):
        supervisor.run_to_end(toy(tmp_path, "migrate", "echo no such table; exit 1"))


def test_what_dies_is_started_again_and_said_so(supervisor: Supervisor, tmp_path: Path) -> None:
    said: list[str] = []
    supervisor._tell = said.append
    first = supervisor.start(toy(tmp_path, "worker", f"echo $$ >> pids; touch worker.ready; {FOREVER}"))
    list(supervisor.wait_ready(first))
    os.kill(first.pid, signal.SIGKILL)
    pids = tmp_path / "pids"
    assert eventually(lambda: supervisor.wait(seconds=0.05) and len(pids.read_text().split()) == 2)
    assert "worker ended with code -9; starting it again in 0.5 s" in said[0]
    assert said[1] == "worker started again"
    assert is_alive(int(pids.read_text().split()[1]))


def test_what_is_kept_away_comes_back_when_its_time_is_over(supervisor: Supervisor, tmp_path: Path) -> None:
    said: list[str] = []
    supervisor._tell = said.append
    worker = supervisor.start(toy(tmp_path, "worker", diarist("worker")))
    list(supervisor.wait_ready(worker))
    supervisor.keep_away("worker", seconds=1.2)  # longer than the usual half second
    worker.ask_to_stop()
    supervisor.wait(seconds=0.9)
    assert supervisor.named("worker") is None
    assert eventually(lambda: supervisor.wait(seconds=0.05) and "worker started again" in said)


def test_each_death_in_a_row_waits_longer_up_to_a_limit() -> None:
    pauses = [back_off(failures=count) for count in range(1, 12)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (BACK_OFF[0], BACK_OFF[-1])


def test_one_that_does_not_listen_is_killed_after_its_grace(supervisor: Supervisor, tmp_path: Path) -> None:
    deaf = supervisor.start(toy(tmp_path, "deaf", f"trap '' TERM; touch deaf.ready; {FOREVER}", grace=0.2))
    list(supervisor.wait_ready(deaf))
    supervisor.stop()
    assert not is_alive(deaf.pid)


def test_children_of_children_go_too(supervisor: Supervisor, tmp_path: Path) -> None:
    script = "sh -c 'trap \"\" TERM; while :; do sleep 0.05; done' & echo $! > pool; touch worker.ready; wait"
    worker = supervisor.start(toy(tmp_path, "worker", script))
    list(supervisor.wait_ready(worker))
    pool = int((tmp_path / "pool").read_text())
    assert is_alive(pool)
    supervisor.stop()
    assert eventually(lambda: not is_alive(pool))


def test_a_signal_ends_the_waiting_at_once(supervisor: Supervisor, tmp_path: Path) -> None:
    never = supervisor.start(toy(tmp_path, "web", FOREVER))
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(StoppedError):
        list(supervisor.wait_ready(never))
    assert supervisor.wait(seconds=60) is False


def test_a_second_signal_stops_hard(supervisor: Supervisor, tmp_path: Path) -> None:
    deaf = supervisor.start(toy(tmp_path, "deaf", f"trap '' TERM; touch deaf.ready; {FOREVER}", grace=60))
    list(supervisor.wait_ready(deaf))
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)
    supervisor.stop()
    assert not is_alive(deaf.pid)


PARENT_WITH_CHILDREN = """
import sys, time
from pathlib import Path
from aispinner.local.programs import Guard, Program
from aispinner.local.supervisor import Supervisor
folder = Path({folder!r})
guard = Guard()
guard.remove(folder=folder / "lent")
supervisor = Supervisor(guard=guard)
with supervisor.listening():
    children = [supervisor.start(Program(
        name=name, argv=["/bin/sh", "-c", script], log=folder / "log", cwd=folder, grace=0.5,
        ready=lambda _pid, name=name: (folder / name).exists(),
    )) for name, script in {scripts!r}.items()]
    list(supervisor.wait_ready(*children))
    print(*[child.pid for child in children], guard.pid, flush=True)
    supervisor.wait(seconds=600)
"""


def test_kill_9_leaves_no_child_no_grandchild_no_guard_and_no_lent_folder(parent: Script, tmp_path: Path) -> None:
    (tmp_path / "lent").mkdir()
    scripts = {
        "polite": f"touch polite; {FOREVER}",
        "deaf": f"trap '' TERM; sh -c \"{FOREVER}\" & echo $! > grandchild; touch deaf; {FOREVER}",
    }
    process = parent(PARENT_WITH_CHILDREN.format(folder=str(tmp_path), scripts=scripts))
    assert process.stdout is not None
    pids = [int(word) for word in process.stdout.readline().split()]
    pids.append(int((tmp_path / "grandchild").read_text()))
    assert all(map(is_alive, pids))
    process.kill()
    assert eventually(lambda: not any(map(is_alive, pids)), seconds=20)
    assert not (tmp_path / "lent").exists()
