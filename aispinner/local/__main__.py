"""What `./dev` hands over to, inside the environment that it made."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from aispinner.local.errors import CannotRun, Stopped


def parser() -> argparse.ArgumentParser:
    """The command line."""
    commands = argparse.ArgumentParser(prog="./dev", description="Run and test AiSpinner Telephony on this machine.")
    choices = commands.add_subparsers(dest="command", required=True, metavar="COMMAND")
    test = choices.add_parser("test", help="run the tests beside a throw-away PostgreSQL and Valkey", add_help=False)
    test.add_argument("arguments", nargs=argparse.REMAINDER, help="given to pytest")
    return commands


def main(arguments: Sequence[str]) -> int:
    """Run one command; the exit code."""
    if arguments[:1] == ["test"]:
        from aispinner.local.testing import run_tests

        return run_tests(arguments[1:])
    parser().parse_args(arguments)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except CannotRun as sentence:
        sys.exit(f"\n{sentence}\n")
    except Stopped:
        sys.exit(130)
