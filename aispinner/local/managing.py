"""`./dev manage` and `./dev token`: manage.py beside the running `./dev up`, or with its databases started for it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from aispinner.local.environment import ROOT, project_environment
from aispinner.local.errors import CannotRunError
from aispinner.local.programs import Guard
from aispinner.local.services import start_services
from aispinner.local.state import State
from aispinner.local.supervisor import Supervisor


@contextlib.contextmanager
def databases(state: State) -> Iterator[tuple[Supervisor, dict[str, str]]]:
    """The databases of a state folder, running for as long as the block runs, and the variables that lead to them."""
    in_use = state.is_in_use()
    if not in_use:
        state.acquire()
    guard = Guard(keep_open=[] if in_use else [state.lock_descriptor])
    supervisor = Supervisor(guard=guard)
    try:
        with supervisor.listening():
            if in_use:
                yield supervisor, state.environment()
                return
            services = start_services(supervisor=supervisor, folder=state.folder, logs=state.logs)
            yield supervisor, project_environment(services=services, folder=state.folder, secrets=state.secrets())
    finally:
        guard.close()


def run_manage(arguments: Sequence[str], *, state_dir: Path) -> int:
    """Run manage.py with `arguments`; its exit code."""
    with State(state_dir) as state, databases(state) as (supervisor, env):
        return supervisor.run_in_foreground(argv=[sys.executable, str(ROOT / "manage.py"), *arguments], env=env)


def run_token(user: str, state_dir: Path) -> int:
    """Print a fresh token of `user`. CannotRunError where `./dev up` has never been here."""
    with State(state_dir) as state:
        if state.mark("migrated") is None:
            raise CannotRunError(
                f"There is nothing in {state.folder} yet. Start `./dev up` first, or name its folder: --state-dir DIR."
            )
    return run_manage(["create_token", "--user", user], state_dir=state_dir)
