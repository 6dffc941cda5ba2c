"""`./dev up` with all its real processes: it is killed, and nothing of it is left running."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from aispinner.local.environment import ROOT, outer_environment
from aispinner.local.guard import is_alive, stat_of
from aispinner.local.valkey import free_port
from tests.local.conftest import eventually

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(sys.platform != "linux", reason="reads the tree of processes from /proc"),
]
DATABASES, GUARD, SIMULATOR, WEB, WORKER, BEAT, VOICE = 2, 1, 1, 2, 1, 1, 1


def descendants(pid: int) -> set[int]:
    """Every living process below `pid`, those of PostgreSQL's own aside from its first."""
    parents = {int(path.name): stat_of(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()}
    found, left = set(), {pid}
    while left:
        left = {child for child, stat in parents.items() if stat and int(stat[1]) in left}
        found |= left
    return found


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A state folder that the database's user can reach, too."""
    folder = Path(tempfile.mkdtemp(prefix="aispinner-up-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def up(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """`./dev up`, just started."""
    options = ["--no-demo", "--state-dir", str(folder), "--port", str(free_port()), "--sim-port", str(free_port())]
    argv = [sys.executable, "-m", "aispinner.local", "up", *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, cwd=ROOT, env=outer_environment(), stdout=pipe, stderr=pipe, text=True) as process:
        yield process
        process.kill()


def test_a_killed_one_leaves_nothing_running(up: subprocess.Popen[str]) -> None:
    """That Ctrl-C leaves nothing is looked at where the stack of all other tests ends."""
    assert up.stdout is not None
    assert any(re.search(r"\bweb\b.*http", line) for line in up.stdout), up.communicate()[1]
    pids = descendants(up.pid)
    assert len(pids) >= DATABASES + GUARD + SIMULATOR + WEB + WORKER + BEAT + VOICE
    up.kill()
    up.wait(30)
    assert eventually(lambda: not any(map(is_alive, pids)), seconds=20)
