"""`python -m aispinner.serving`: the web server, granian, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import os
import socket
import sys

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops

from aispinner.core.logs import logging_config
from aispinner.env import whole_number
from aispinner.serving import (
    loop,  # noqa: F401 - registers the workers' event loop, here and in processes that are spawned
)
from aispinner.serving.worker import APPLICATION

KILL_AFTER = 2  # seconds from the signal to stop; streams and sockets end by themselves within one
TARGETS = {
    "combined": (Interfaces.ASGI, "aispinner.asgi:application"),
    "asgi": (Interfaces.ASGI, "aispinner.asgi:application"),
    "wsgi": (Interfaces.WSGI, "aispinner.serving.plain:application"),
}


def main(arguments: list[str] | None = None) -> None:
    """Serve as the command line says."""
    options = _parse(arguments)
    interface, application = TARGETS[options.interface]
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aispinner.settings")
    os.environ[APPLICATION] = options.application or application
    os.environ["AISPINNER_THREADS"] = str(options.threads)
    os.environ["AISPINNER_KEEPS_CONNECTIONS"] = str(interface == Interfaces.WSGI)
    _check_address(options.host, options.port)
    Granian(
        "aispinner.serving.worker:load",
        factory=True,
        address=options.host,
        port=options.port,
        interface=interface,
        workers=options.workers,
        blocking_threads=options.threads if interface == Interfaces.WSGI else None,
        loop=Loops.asyncio,
        http=HTTPModes.http1,
        websockets=interface == Interfaces.ASGI,
        backlog=2048,
        backpressure=4096,  # sockets and streams stay open: they must not use up the room for requests
        respawn_failed_workers=True,
        workers_kill_timeout=KILL_AFTER,
        log_dictconfig=logging_config(
            level=os.environ.get("LOG_LEVEL", "INFO"), style=os.environ.get("LOG_FORMAT", "json")
        ),
    ).serve()


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m aispinner.serving", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument(
        "--interface",
        choices=sorted(TARGETS),
        default="combined",
        help="combined: everything (the default); wsgi: only HTTP, behind a proxy; asgi: streams and sockets beside it",
    )
    parser.add_argument("--workers", type=int, default=1, help="processes")
    threads = whole_number("AISPINNER_THREADS", default=4, low=1, high=64)
    parser.add_argument("--threads", type=int, default=threads, help="threads for HTTP in each process")
    parser.add_argument("--application", help=argparse.SUPPRESS)  # for tests: module:name
    return parser.parse_args(arguments)


def _check_address(host: str, port: int) -> None:
    """Say so where the address cannot be had: granian would only say it to its own log."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.create_server((host, port), family=family, reuse_port=False):
            pass
    except OSError as error:
        sys.exit(f"Cannot listen on {host}:{port}: {error.strerror or error}. Choose another with --host and --port.")


if __name__ == "__main__":
    main()
