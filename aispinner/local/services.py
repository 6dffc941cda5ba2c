"""PostgreSQL and Valkey, ours or those named by DATABASE_URL and REDIS_URL."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

from aispinner.local.environment import Services, new_secrets, project_environment
from aispinner.local.postgres import Postgres
from aispinner.local.programs import Child, Guard
from aispinner.local.supervisor import Supervisor
from aispinner.local.valkey import Valkey


def start_services(
    *,
    supervisor: Supervisor,
    folder: Path,
    logs: Path,
    throwaway: bool = False,
    on_ready: Callable[[str, float], None] = lambda _name, _seconds: None,
) -> Services:
    """Start what is not given by the environment, wait until it answers; `on_ready` hears name and seconds."""
    children: list[Child] = []
    postgres = None if os.environ.get("DATABASE_URL") else Postgres(folder=folder / "postgres", throwaway=throwaway)
    valkey = None if os.environ.get("REDIS_URL") else Valkey(folder=folder / "valkey", throwaway=throwaway)
    if valkey:
        children.append(supervisor.start(valkey.program(log=logs / "valkey.log")))
    if postgres:
        for temporary in postgres.temporary:
            supervisor.guard.remove(folder=temporary)
        postgres.prepare()
        children.append(supervisor.start(postgres.program(log=logs / "postgres.log")))
    for child, seconds in supervisor.wait_ready(*children):
        on_ready(child.program.name, seconds)
    database_url = postgres.url if postgres else os.environ["DATABASE_URL"]
    return Services(
        database_url=database_url,
        redis_url=valkey.url if valkey else os.environ["REDIS_URL"],
        database_identity=postgres.identity if postgres else sha256(database_url.encode()).hexdigest(),
        owns_database=postgres is not None,
    )


@contextlib.contextmanager
def throwaway_environment() -> Iterator[tuple[Supervisor, dict[str, str]]]:
    """Services that leave nothing behind, and the environment variables that lead to them."""
    folder = Path(tempfile.mkdtemp(prefix="aispinner-"))
    folder.chmod(0o711)  # the server's user passes through
    guard = Guard()
    guard.remove(folder=folder)
    supervisor = Supervisor(guard=guard)
    try:
        with supervisor.listening():
            services = start_services(supervisor=supervisor, folder=folder, logs=folder, throwaway=True)
            env = project_environment(services=services, folder=folder, secrets=new_secrets())
            yield supervisor, env
    finally:
        guard.close()
        shutil.rmtree(folder, ignore_errors=True)
