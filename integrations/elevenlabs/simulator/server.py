"""Serves the simulator: in the foreground for people, in a thread for tests."""

from __future__ import annotations

import argparse
import dataclasses
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
from .config import SimulatorConfig, config_from_env

DEFAULT_PORT = 8090


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line's options; what is not given comes from AISPINNER_SIM_* or the defaults."""
    parser.add_argument("--host", default=DEFAULT_HOST)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument("--speed", type=float, help="simulated seconds per real second (AISPINNER_SIM_SPEED, 30)")
    parser.add_argument("--seed", type=int, help="same seed, same story (AISPINNER_SIM_SEED, 1)")
    parser.add_argument("--concurrency", type=int, help="calls at once per account (AISPINNER_SIM_CONCURRENCY, 200)")
    parser.add_argument("--ledger", type=Path, help="append one JSON line per dial placed and ended to this file")
    parser.add_argument("--state", type=Path, help="go on after a restart, by this file and the diary beside it")


def config_from_arguments(options: dict[str, Any]) -> SimulatorConfig:
    """The environment's config with every option that was given laid over it; ValueError where they make no sense."""
    names = {field.name for field in dataclasses.fields(SimulatorConfig)}
    given = {name: value for name, value in options.items() if name in names and value is not None}
    return dataclasses.replace(config_from_env(), **given)


def _server(config: SimulatorConfig, *, host: str, port: int) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            create_app(config),
            host=host,
            port=port,
            log_level="warning",
            access_log=False,
            lifespan="on",
            ws="websockets-sansio",
            ws_max_size=1024 * 1024,
            timeout_graceful_shutdown=1,
        )
    )


def serve(config: SimulatorConfig, *, host: str = DEFAULT_HOST, port: int = DEFAULT_PORT) -> None:
    """Serve until SIGINT or SIGTERM."""
    sys.stdout.write(
        f"ElevenLabs simulator on http://{host}:{port} (seed {config.seed}, {config.speed:g} simulated seconds "
        f"a second, {config.concurrency} calls at once); control: http://{host}:{port}/_sim/\n"
    )
    sys.stdout.flush()
    _server(config, host=host, port=port).run()


def main(arguments: Sequence[str] | None = None) -> None:
    """`python -m integrations.elevenlabs.simulator`: no Django, no database."""
    parser = argparse.ArgumentParser(prog="elevenlabs_simulator", description=__doc__)
    add_arguments(parser)
    options = vars(parser.parse_args(arguments))
    try:
        config = config_from_arguments(options)
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
    config = config or SimulatorConfig(speed=600.0)
    with in_a_thread(
        lambda found: _server(config, host=DEFAULT_HOST, port=found), name="elevenlabs-simulator", port=port
    ) as url:
        yield RunningSimulator(url=url, config=config)
