"""The state folder, the ports, and the words of `./dev up` before anything has started."""

from __future__ import annotations

import io
import socket
import stat
from pathlib import Path

import pytest

from aispinner.local.__main__ import parser
from aispinner.local.demo import progress_words
from aispinner.local.errors import CannotRunError
from aispinner.local.programs import Guard
from aispinner.local.state import State
from aispinner.local.terminal import Screen
from aispinner.local.up import Wishes, choose_ports, run_up
from tests.local.conftest import Script

HOLDER = """
from pathlib import Path
from aispinner.local.state import State
state = State(Path({folder!r}))
state.acquire()
print("mine", flush=True)
import time
time.sleep(600)
"""


def wishes(folder: Path, *, port: int = 8000, sim_port: int | None = None) -> Wishes:
    """What a plain `./dev up` asks for."""
    return Wishes(state_dir=folder, port=port, sim_port=sim_port, demo=None, verbose=False)


def test_a_second_one_on_the_same_folder_is_refused_with_a_sentence(parent: Script, state: State) -> None:
    process = parent(HOLDER.format(folder=str(state.folder)))
    assert process.stdout is not None
    assert process.stdout.readline() == "mine\n"
    assert state.is_in_use()
    with pytest.raises(CannotRunError, match=f"already runs on .*process {process.pid}.*--state-dir"):
        state.acquire()
    with pytest.raises(CannotRunError, match="already runs"):
        run_up(wishes(state.folder))


def test_a_killed_one_does_not_keep_the_folder(parent: Script, state: State) -> None:
    process = parent(HOLDER.format(folder=str(state.folder)))
    assert process.stdout is not None
    assert process.stdout.readline() == "mine\n"
    process.kill()
    process.wait()
    state.acquire()


def test_the_folder_is_in_use_until_the_guard_has_cleaned_up(tmp_path: Path) -> None:
    with State(tmp_path) as first, State(tmp_path) as second:
        first.acquire()
        guard = Guard(keep_open=[first.lock_descriptor])
        first.close()
        assert second.is_in_use()
        guard.close()
        assert not second.is_in_use()


def test_secrets_are_made_once_and_are_ours_alone(state: State) -> None:
    first = state.secrets()
    assert set(first) == {"SECRET_KEY", "FERNET_KEYS"}
    with State(state.folder) as again:
        assert again.secrets() == first
    assert stat.S_IMODE((state.folder / "secrets.json").stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_made_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotRunError, match=r"state folder cannot be used.*--state-dir"):
        State(tmp_path / "file" / "state")


def test_a_taken_port_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotRunError, match=f"Port {port} is taken.*--port"):
            choose_ports(wishes(tmp_path, port=port))
        with pytest.raises(CannotRunError, match=f"Port {port} is taken.*--sim-port"):
            choose_ports(wishes(tmp_path, sim_port=port, port=0))


def test_the_log_of_the_run_before_is_kept(state: State) -> None:
    state.fresh_log("web").write_text("before")
    assert not state.fresh_log("web").exists()
    assert (state.logs / "web.log.1").read_text() == "before"


def test_the_demo_campaign_is_run_once_unless_said_otherwise() -> None:
    said = [parser().parse_args(["up", *options]).demo for options in ([], ["--demo"], ["--no-demo"])]
    assert said == [None, True, False]


def test_where_nobody_watches_progress_is_plain_lines() -> None:
    stream = io.StringIO()
    run = {"status": "running", "success_count": 3, "failed_count": 1, "in_flight_count": 4, "pending_count": 32}
    Screen(stream).progress(part=0.1, words=progress_words(run))
    assert stream.getvalue() == "   10%  3 answered · 1 not · 4 on the line · 32 to go\n"
    assert "\x1b" not in stream.getvalue()


class Narrow(io.StringIO):
    """A terminal that knows ASCII alone."""

    encoding = "ascii"


def test_a_terminal_without_unicode_gets_ascii() -> None:
    stream = Narrow()
    Screen(stream).done("web", seconds=1.25)
    assert stream.getvalue().isascii()
