"""The script `dev` before it has an environment to work in."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from aispinner.local.environment import ROOT

DEV = ROOT / "dev"


def load() -> ModuleType:
    """The script as a module."""
    loader = SourceFileLoader("dev", str(DEV))
    spec = importlib.util.spec_from_loader("dev", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture
def dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script, with an environment that is nowhere yet."""
    monkeypatch.setenv("AISPINNER_VENV", str(tmp_path / "venv"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return load()


def test_an_older_python_can_read_the_script() -> None:
    ast.parse(DEV.read_text(), feature_version=(3, 7))


def test_an_older_python_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 1, "final", 0))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer.*no newer one on the PATH"):
        load()


def test_an_older_python_looks_for_a_newer_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "python3.13").symlink_to("/bin/false")  # such as a version manager's stub of what is not installed
    newer = tmp_path / "python3.12"
    newer.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    newer.chmod(0o755)
    pretend = (
        f"import sys, runpy; sys.version_info = (3, 9); sys.argv = [{str(DEV)!r}, 'help']; runpy.run_path({str(DEV)!r})"
    )
    answer = subprocess.run(
        [sys.executable, "-c", pretend],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "./dev up" in answer.stdout


def test_a_python_without_venv_is_told_which_package_has_it(dev: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    monkeypatch.setattr(dev.importlib.util, "find_spec", lambda name: None)
    package = f"python3.{sys.version_info[1]}-venv"
    with pytest.raises(SystemExit, match=f"apt install {package}"):
        dev.ensure_environment("run")


def test_an_environment_that_is_as_locked_is_not_touched(dev: Any) -> None:
    dev.PYTHON.parent.mkdir(parents=True)
    dev.PYTHON.symlink_to(sys.executable)
    dev.STAMP.write_text(json.dumps({kind: dev.digest(kind) for kind in ("run", "develop")}))
    dev.ensure_environment("run")
    dev.ensure_environment("develop")
    assert not (dev.VENV / ".aispinner-lock").exists()


def test_an_environment_whose_python_is_gone_is_made_again(dev: Any) -> None:
    dev.PYTHON.parent.mkdir(parents=True)
    dev.PYTHON.symlink_to("/nowhere/python3.11")
    dev.STAMP.write_text(json.dumps({"run": dev.digest("run")}))
    assert dev.installed() == {}


def test_an_unknown_command_is_answered_with_the_known_ones(dev: Any) -> None:
    with pytest.raises(SystemExit, match=r"(?s)no command 'dance'.*\./dev up"):
        dev.main(["dance"])


def pins(name: str) -> set[str]:
    """The pinned requirements of a lock file, with their conditions."""
    return {line for line in (ROOT / name).read_text().splitlines() if line and line[0].isalnum()}


def test_the_locks_hold_hashes_of_everything() -> None:
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-uv.txt"):
        assert pins(name)
        assert all("==" in pin and pin.endswith("\\") for pin in pins(name))


def test_what_is_tested_is_what_runs() -> None:
    assert pins("requirements.txt") <= pins("requirements-dev.txt")
