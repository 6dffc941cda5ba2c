"""Our own PostgreSQL and Valkey: they come up, keep what they are given, and are gone with us."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from aispinner.local.errors import CannotRunError
from aispinner.local.guard import is_alive
from aispinner.local.postgres import LONGEST_SOCKET_FOLDER, Postgres, find_binaries, remove_orphans, unprivileged
from aispinner.local.programs import Guard
from aispinner.local.supervisor import Supervisor
from aispinner.local.valkey import Valkey
from tests.local.conftest import Script, eventually


def serve(supervisor: Supervisor, guard: Guard, folder: Path) -> tuple[Postgres, int]:
    """A PostgreSQL that is ready, and its process id."""
    postgres = Postgres(folder=folder, throwaway=True)
    for temporary in postgres.temporary:
        guard.remove(folder=temporary)
    postgres.prepare()
    child = supervisor.start(postgres.program(log=folder / "log"))
    list(supervisor.wait_ready(child))
    return postgres, child.pid


def test_postgres_keeps_its_data_over_a_restart(supervisor: Supervisor, guard: Guard, tmp_path: Path) -> None:
    first, pid = serve(supervisor, guard, tmp_path / "postgres")
    with psycopg.connect(first.url) as connection:
        assert connection.info.dbname == "aispinner"
        connection.execute("CREATE TABLE kept AS SELECT upper('žé') AS word")
    supervisor.stop()
    assert not is_alive(pid)
    second, _ = serve(supervisor, guard, tmp_path / "postgres")
    assert second.identity == first.identity
    with psycopg.connect(second.url) as connection:
        assert connection.execute("SELECT word FROM kept").fetchone() == ("ŽÉ",)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to step down")
def test_as_root_the_server_is_nobody_even_where_nobody_cannot_reach(
    supervisor: Supervisor, guard: Guard, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    postgres, pid = serve(supervisor, guard, home / "postgres")
    user = unprivileged()
    assert user is not None
    assert Path(f"/proc/{pid}").stat().st_uid == user.uid
    assert not postgres.data.is_relative_to(home)
    assert (home / "postgres" / "elsewhere").resolve() == postgres.data.parent


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to step down")
def test_what_a_deleted_state_folder_left_elsewhere_is_removed(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    kept, deleted = tmp_path / "kept", tmp_path / "deleted"
    homes = [Postgres(folder=folder).data.parent for folder in (kept, deleted)]
    assert all(home.is_dir() for home in homes)
    shutil.rmtree(deleted)
    remove_orphans()
    assert [home.is_dir() for home in homes] == [True, False]
    shutil.rmtree(kept)
    remove_orphans()
    assert not homes[0].exists()


def test_only_we_can_enter_the_folder_of_the_socket(supervisor: Supervisor, guard: Guard, tmp_path: Path) -> None:
    postgres, _ = serve(supervisor, guard, tmp_path / "postgres")
    assert stat.S_IMODE(postgres._socket.stat().st_mode) == 0o700


def test_a_path_too_long_for_a_socket_is_no_obstacle(guard: Guard, tmp_path: Path) -> None:
    postgres = Postgres(folder=tmp_path / ("a" * LONGEST_SOCKET_FOLDER), throwaway=True)
    for temporary in postgres.temporary:
        guard.remove(folder=temporary)
    assert len(os.fsencode(postgres._socket)) <= LONGEST_SOCKET_FOLDER


def test_without_any_postgres_a_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aispinner.local.postgres.binary_folders", lambda: iter([Path("/nowhere")]))
    with pytest.raises(CannotRunError, match=r"apt install postgresql.*DATABASE_URL="):
        find_binaries()


def test_valkey_wants_its_password(supervisor: Supervisor, tmp_path: Path) -> None:
    valkey = Valkey(folder=tmp_path / "valkey", throwaway=True)
    program = valkey.program(log=tmp_path / "log")
    list(supervisor.wait_ready(supervisor.start(program)))
    client = redis.Redis.from_url(valkey.url)
    assert client.ping() is True
    stranger = redis.Redis(host="127.0.0.1", port=client.get_connection_kwargs()["port"], retry=Retry(NoBackoff(), 0))
    with pytest.raises(redis.AuthenticationError):
        stranger.ping()
    for connected in (client, stranger):
        connected.close()
    password = client.get_connection_kwargs()["password"]
    assert not any(password in argument for argument in program.argv)
    assert stat.S_IMODE((tmp_path / "valkey" / "valkey.conf").stat().st_mode) == 0o600


PARENT_WITH_DATABASES = """
from aispinner.local.services import throwaway_environment
with throwaway_environment() as (supervisor, env):
    pids = [child.pid for child in supervisor._children]
    print(supervisor.guard.pid, *pids, env["MEDIA_ROOT"], flush=True)
    supervisor.wait(seconds=600)
"""


def test_kill_9_leaves_neither_databases_nor_their_files(parent: Script) -> None:
    process = parent(PARENT_WITH_DATABASES)
    assert process.stdout is not None
    *numbers, media = process.stdout.readline().split()
    pids = [int(number) for number in numbers]
    folder = Path(media).parent
    assert folder.exists()
    assert len(pids) == 3
    process.kill()
    assert eventually(lambda: not any(map(is_alive, pids)) and not folder.exists(), seconds=20)


def test_an_ordinary_end_leaves_neither_databases_nor_their_files(parent: Script) -> None:
    process = parent(PARENT_WITH_DATABASES)
    assert process.stdout is not None
    *numbers, media = process.stdout.readline().split()
    process.terminate()
    process.wait(20)
    assert not any(is_alive(int(number)) for number in numbers)
    assert not Path(media).parent.exists()
