"""The real server, in a process of its own, on a port of its own."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(kw_only=True)
class Server:
    """A running server."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def connection(self) -> closing[http.client.HTTPConnection]:
        """A connection to it, to be used in a `with`."""
        return closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10))

    def raw(self) -> socket.socket:
        """A plain socket to it."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def get(self, path: str, *, method: str = "GET", **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
        """One request on a connection of its own."""
        with self.connection() as connection:
            connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return response, response.read()

    def workers(self) -> list[int]:
        """The ids of its worker processes."""
        return [
            int(each) for each in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        ]

    def stop(self) -> float:
        """Ask it to stop; how long that took, in seconds."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)
        return time.monotonic() - started


Start = Callable[..., Server]


@pytest.fixture(scope="session")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start servers; all of them are gone at the end."""
    running: list[Server] = []

    def start(*arguments: str, env: dict[str, str] | None = None) -> Server:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        log = tmp_path_factory.mktemp("server") / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "aispinner.serving", "--port", str(port), *arguments],
                env={**os.environ, **(env or {})},
                cwd=ROOT,
                stdout=out,
                stderr=out,
            )
        server = Server(process=process, port=port, log=log)
        running.append(server)
        _wait(server)
        return server

    yield start
    for server in running:
        if server.process.poll() is None:
            server.stop()


@pytest.fixture(scope="session")
def server(launch: Start) -> Server:
    """One that serves `tests/serving/app.py`."""
    return launch("--application", "tests.serving.app:application")


def _wait(server: Server) -> None:
    until = time.monotonic() + 20
    while True:
        try:
            server.raw().close()
        except OSError:
            if server.process.poll() is not None or time.monotonic() > until:
                raise AssertionError(server.log.read_text()) from None
            time.sleep(0.02)
        else:
            return
