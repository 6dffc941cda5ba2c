"""Serves the simulator: in the foreground for people, in a thread for tests."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from integrations.simulating import HOST as DEFAULT_HOST
from integrations.simulating import in_a_thread

from .app import create_app
from .config import SimulatorConfig

DEFAULT_PORT = 8091


def _arguments() -> argparse.ArgumentParser:
    defaults = SimulatorConfig()
    parser = argparse.ArgumentParser(prog="asterisk_simulator", description=__doc__)
    parser.add_argument("--host", default=DEFAULT_HOST)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument("--speed", type=float, help="simulated seconds of ringing and talking per real second (1)")
    parser.add_argument("--seed", type=int, help="same seed, same story (1)")
    parser.add_argument("--version", help=f"the Asterisk it plays ({defaults.version})")
    parser.add_argument("--user", help=f"ARI user ({defaults.user})")
    parser.add_argument("--password", help=f"its password ({defaults.password})")
    parser.add_argument("--trunk", dest="trunks", action="append", help="a trunk's name; may be repeated (trunk)")
    parser.add_argument("--ledger", type=Path, help="append one JSON line per dial placed and ended to this file")
    return parser


def _config(options: dict[str, Any]) -> SimulatorConfig:
    names = {field.name for field in dataclasses.fields(SimulatorConfig)}
    given = {name: value for name, value in options.items() if name in names and value is not None}
    if "trunks" in given:
        given["trunks"] = tuple(given["trunks"])
    return dataclasses.replace(SimulatorConfig(), **given)


def _quiet(record: logging.LogRecord) -> bool:
    """uvicorn reports each refused handshake as an error, although it was refused on purpose."""
    return "without completing handshake" not in record.getMessage()


def _server(config: SimulatorConfig, *, host: str, port: int) -> uvicorn.Server:
    logging.getLogger("uvicorn.error").addFilter(_quiet)
    return uvicorn.Server(
        uvicorn.Config(
            create_app(config),
            host=host,
            port=port,
            log_level="warning",
            access_log=False,
            lifespan="on",
            ws="websockets-sansio",
            ws_max_size=65_535,
            ws_ping_interval=None,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=1,
        )
    )


def serve(config: SimulatorConfig, *, host: str = DEFAULT_HOST, port: int = DEFAULT_PORT) -> None:
    """Serve until SIGINT or SIGTERM."""
    sys.stdout.write(
        f"Asterisk {config.version} simulator on http://{host}:{port}/ari (user {config.user}, trunks "
        f"{', '.join(config.trunks)}, {config.speed:g} simulated seconds a second); "
        f"control: http://{host}:{port}/_sim/\n"
    )
    sys.stdout.flush()
    _server(config, host=host, port=port).run()


def main(arguments: Sequence[str] | None = None) -> None:
    """`python -m integrations.asterisk.simulator`: no Django, no database."""
    parser = _arguments()
    options = vars(parser.parse_args(arguments))
    try:
        config = _config(options)
    except ValueError as error:
        parser.error(str(error))
    serve(config, host=options["host"], port=options["port"])


@dataclass(frozen=True)
class RunningSimulator:
    """Where a simulator in a thread answers."""

    url: str
    config: SimulatorConfig


@contextmanager
def running(config: SimulatorConfig | None = None, *, port: int = 0) -> Iterator[RunningSimulator]:
    """A simulator in a thread of this process, on a free port of 127.0.0.1 unless one is given."""
    config = config or SimulatorConfig(speed=100.0)
    with in_a_thread(
        lambda found: _server(config, host=DEFAULT_HOST, port=found), name="asterisk-simulator", port=port
    ) as url:
        yield RunningSimulator(url=url, config=config)
