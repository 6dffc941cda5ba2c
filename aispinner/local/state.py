"""The state folder (`.state/`): databases, logs, secrets and what was already done; used by one process at a time."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from aispinner.local.environment import new_secrets, read_private, write_private
from aispinner.local.errors import CannotRunError
from aispinner.local.guard import is_alive

LONGEST_CLEAN_UP = 40.0  # seconds that the guard of a killed process may take


class State:
    """A folder that keeps everything between two runs."""

    def __init__(self, folder: Path) -> None:
        """Make the folder where it is missing."""
        self.folder = folder.absolute()
        self.logs = self.folder / "logs"
        try:
            self.folder.mkdir(mode=0o711, parents=True, exist_ok=True)  # the database's user passes through
            self.logs.mkdir(mode=0o700, exist_ok=True)
            self._lock = (self.folder / "lock").open("a+")
        except OSError as refused:
            raise CannotRunError(
                f"The state folder cannot be used: {refused.strerror} ({refused.filename}). "
                "--state-dir DIR uses another one."
            ) from None
        self._environment_file = self.folder / "environment.json"
        self._marks_file = self.folder / "marks.json"

    def __enter__(self) -> State:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up the folder; a guard that shares the lock holds it until it has cleaned up."""
        self._lock.close()

    @property
    def lock_descriptor(self) -> int:
        """What holds the lock as long as any process has it open."""
        return self._lock.fileno()

    def acquire(self) -> None:
        """Be the only one here. CannotRunError where somebody else is; waits for what cleans up after a killed one."""
        deadline = time.monotonic() + LONGEST_CLEAN_UP
        while not self._try_lock():
            holder = self._holder()
            if holder is not None or time.monotonic() > deadline:
                raise CannotRunError(
                    f"`./dev up` already runs on {self.folder} (process {holder or 'unknown'}). "
                    "Stop it with Ctrl-C there, or use --state-dir DIR (and --port N) for a second one."
                )
            time.sleep(0.05)
        self._lock.seek(0)
        self._lock.truncate()
        self._lock.write(str(os.getpid()))
        self._lock.flush()

    def is_in_use(self) -> bool:
        """Whether a running process holds the folder."""
        if self._try_lock():
            fcntl.flock(self._lock, fcntl.LOCK_UN)
            return False
        return self._holder() is not None

    def secrets(self) -> dict[str, str]:
        """This installation's secrets, made the first time."""
        path = self.folder / "secrets.json"
        if not (secrets := read_private(path)):
            secrets = new_secrets()
            write_private(path, secrets)
        return secrets

    def publish_environment(self, env: dict[str, str]) -> None:
        """Tell other commands how to reach what runs here."""
        write_private(self._environment_file, env)

    def environment(self) -> dict[str, str]:
        """What was published last."""
        return read_private(self._environment_file)

    def mark(self, name: str) -> str | None:
        """What was remembered under `name`."""
        return read_private(self._marks_file).get(name)

    def set_mark(self, name: str, value: str) -> None:
        """Remember `value` (a token among others: the file is ours alone)."""
        write_private(self._marks_file, {**read_private(self._marks_file), name: value})

    def fresh_log(self, name: str) -> Path:
        """An empty log; the one of the run before stays beside it."""
        path = self.logs / f"{name}.log"
        if path.exists():
            path.replace(path.with_suffix(".log.1"))
        return path

    def _try_lock(self) -> bool:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _holder(self) -> int | None:
        """The process that has the folder; None where it is dead (its guard still cleans up) or has not yet said."""
        self._lock.seek(0)
        text = self._lock.read().strip()
        return int(text) if text.isdigit() and is_alive(int(text)) else None
