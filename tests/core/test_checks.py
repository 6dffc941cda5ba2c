"""Settings that would go wrong later are said at the start."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured

from aispinner import checks, env

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "PUBLIC_URL": "https://calls.example.org",
    "ALLOWED_HOSTS": "calls.example.org",
    "SECRET_KEY": "kD9x2mQ7vT4wZ1bN6cR8yP3sL5hJ0gF-aE_uIoWqXtYzBnMvCr",
    "BEHIND_PROXY": "true",
}


def check(**env: str) -> subprocess.CompletedProcess[str]:
    """`manage.py check --deploy` in a production-like environment, but for `env`."""
    kept = {name: value for name, value in os.environ.items() if name not in {"DEBUG", "DATABASE_POOL"}}
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "INFO"],
        env={**kept, **PRODUCTION, **env},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_production_environment_is_clean(tmp_path: Path) -> None:
    result = check(MEDIA_ROOT=str(tmp_path / "media"))
    assert result.returncode == 0, result.stderr


def test_the_checks_are_among_those_that_are_run(tmp_path: Path) -> None:
    result = check(MEDIA_ROOT="/proc/nowhere", DEBUG="true", DATABASE_POOL="2", ALLOWED_HOSTS="other.example.org")
    assert result.returncode != 0
    assert {each for each in ("E002", "W003", "E004", "W006") if f"aispinner.{each}" in result.stderr} == {
        "E002",
        "W003",
        "E004",
        "W006",
    }


def test_recordings_go_to_s3_where_a_bucket_is_named() -> None:
    result = check(MEDIA_S3_BUCKET="calls", MEDIA_S3_ENDPOINT="nowhere")
    assert "MEDIA_S3_ENDPOINT takes an address" in result.stderr
    code = "from django.core.files.storage import default_storage as s; print(type(s._wrapped or s).__name__, s.exists)"
    kept = {**os.environ, "MEDIA_S3_BUCKET": "calls", "MEDIA_S3_ENDPOINT": "http://127.0.0.1:1"}
    shown = subprocess.run(
        [sys.executable, "-c", f"import django; django.setup(); {code}"],
        env={**kept, "DJANGO_SETTINGS_MODULE": "aispinner.settings"},
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "S3Storage.exists" in shown.stdout


@pytest.mark.parametrize(
    ("run", "name", "good", "bad"),
    [
        (checks.check_encryption, "FERNET_USE_HKDF", False, True),
        (checks.check_debug, "DEBUG", False, True),
        (checks.check_public_url, "PUBLIC_URL", "https://calls.example.org", ""),
        (checks.check_hosts, "ALLOWED_HOSTS", [".example.org"], ["example.org", "alls.example.org"]),
        (checks.check_hosts, "ALLOWED_HOSTS", ["*"], []),
    ],
)
def test_a_setting_that_would_go_wrong_is_named(
    settings: LazySettings, run: Callable[..., list[CheckMessage]], name: str, good: object, bad: object
) -> None:
    settings.PUBLIC_URL, settings.HTTPS = "https://calls.example.org", True
    setattr(settings, name, good)
    assert run(None) == []
    setattr(settings, name, bad)
    [message] = run(None)
    assert message.hint


def test_a_pool_smaller_than_the_threads_is_named(settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.check_pool(None) == []
    monkeypatch.setitem(settings.DATABASES["default"]["OPTIONS"]["pool"], "max_size", 4)
    [message] = checks.check_pool(None)
    assert "DATABASE_POOL is 4" in message.msg


@pytest.mark.parametrize(
    ("read", "value", "said"),
    [
        (lambda: env.required("X", hint="Do this."), "", "X is not set. Do this."),
        (lambda: env.fernet_keys("X"), "", "It encrypts provider credentials"),
        (lambda: env.fernet_keys("X"), "short", "key number 1 is not 32 bytes"),
        (lambda: env.whole_number("X", default=1, low=1, high=5), "many", "a whole number from 1 to 5"),
        (lambda: env.seconds("X", default=1, low=0.5, high=60), "0.4", "seconds from 0.5 to 60, or 0 for never"),
        (lambda: env.seconds("X", default=1, low=0.5, high=60), "-1", "seconds from 0.5 to 60, or 0 for never"),
        (lambda: env.seconds("X", default=1, low=0.5, high=60), "nan", "seconds from 0.5 to 60, or 0 for never"),
        (lambda: env.whole_number("X", default=1, low=1, high=5), "6", "a whole number from 1 to 5"),
        (lambda: env.http_url("X", default=""), "calls.example.org", "an address such as"),
        (lambda: env.choice("X", default="a", allowed=("a", "b")), "c", "takes one of: a, b"),
    ],
)
def test_an_environment_that_is_wrong_stops_the_start_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, read: Callable[[], object], value: str, said: str
) -> None:
    monkeypatch.setenv("X", value)
    with pytest.raises(ImproperlyConfigured) as refused:
        read()
    assert said in str(refused.value)
    assert str(refused.value).startswith("X")
