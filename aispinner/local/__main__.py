"""What `./dev` hands over to, inside the environment that it made."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from aispinner.local.environment import ROOT
from aispinner.local.errors import CannotRunError, StoppedError


def port(text: str) -> int:
    """A TCP port."""
    number = int(text)
    if not 0 < number < 65536:
        raise ValueError
    return number


def parser() -> argparse.ArgumentParser:
    """The command line."""
    commands = argparse.ArgumentParser(prog="./dev", description="Run and test AiSpinner Telephony on this machine.")
    choices = commands.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = choices.add_parser("up", help="start everything, run a demo campaign, serve until Ctrl-C")
    up.add_argument(
        "--demo", action=argparse.BooleanOptionalAction, help="run the demo campaign (default: the first time)"
    )
    up.add_argument("--port", type=port, default=8000, help="of the web server, on 127.0.0.1 (default: 8000)")
    up.add_argument("--sim-port", type=port, help="of the ElevenLabs simulator (default: 8090, or a free one)")
    up.add_argument("-v", "--verbose", action="store_true", help="show the logs, too")
    choices.add_parser("check", help="ruff, mypy, import-linter, migrations, Django's own checks")
    token = choices.add_parser("token", help="print a fresh bearer token")
    token.add_argument("--user", default="demo", help="whose (default: demo)")
    manage = choices.add_parser("manage", help="run manage.py beside what runs here")
    manage.add_argument("arguments", nargs=argparse.REMAINDER, help="given to manage.py")
    for command in (up, token, manage):
        default = Path(os.environ.get("AISPINNER_STATE_DIR") or ROOT / ".state")
        command.add_argument(
            "--state-dir", type=Path, default=default, help=f"where everything is kept (default: {default})"
        )
    choices.add_parser("screenshots", help="take the pictures in docs/images anew, with Chromium")
    choices.add_parser("test", help="run the tests; arguments go to pytest")
    choices.add_parser("bench", help="measure what was promised of speed")
    choices.add_parser("chaos", help="kill everything while campaigns run, then compare ledger and journal")
    return commands


def main(arguments: Sequence[str]) -> int:
    """Run one command; the exit code. What a command does not need is not imported."""
    if arguments[:1] == ["test"]:  # all its arguments are pytest's
        from aispinner.local.testing import run_tests

        return run_tests(arguments[1:])
    if arguments[:1] == ["bench"]:
        from aispinner.local.benching import run_bench

        return run_bench(arguments[1:])
    if arguments[:1] == ["chaos"]:  # it has many, and needs nothing of ours to read them
        from tests.chaos.command import main as chaos

        return chaos(arguments[1:])
    said = parser().parse_args(arguments)
    if said.command in {"check", "screenshots"}:
        return _alone(said.command)
    if said.command == "up":
        from aispinner.local.up import Wishes, run_up

        return run_up(
            Wishes(
                state_dir=said.state_dir, port=said.port, sim_port=said.sim_port, demo=said.demo, verbose=said.verbose
            )
        )
    from aispinner.local.managing import run_manage, run_token

    token = said.command == "token"
    return run_token(said.user, said.state_dir) if token else run_manage(said.arguments, state_dir=said.state_dir)


def _alone(command: str) -> int:
    """A command that takes no options."""
    if command == "check":
        from aispinner.local.checking import run_checks

        return run_checks()
    from aispinner.local.picturing import run_screenshots

    return run_screenshots()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except CannotRunError as sentence:
        sys.exit(f"\n{sentence}\n")
    except StoppedError:
        sys.exit(130)
