"""The environment variables that the project's processes get from `./dev`, its secrets among them."""

from __future__ import annotations

import json
import os
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe

ROOT = Path(__file__).resolve().parents[2]  # the clone
LENT = "AISPINNER_LENT"  # names the variables that a `./dev test` around us has set
LOOPBACK_HOSTS = "127.0.0.1,localhost,[::1]"


def new_secrets() -> dict[str, str]:
    """Fresh secrets of an installation: a signing key, and a Fernet key (32 bytes, url-safe base64)."""
    return {"SECRET_KEY": token_urlsafe(48), "FERNET_KEYS": urlsafe_b64encode(os.urandom(32)).decode()}


def write_private(path: Path, content: Mapping[str, str]) -> None:
    """Write `content` as JSON, readable by us alone, so that a reader sees all of it or what was there before."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.touch(mode=0o600)
    beside.write_text(json.dumps(content, indent=2) + "\n")
    beside.replace(path)


def read_private(path: Path) -> dict[str, str]:
    """What `write_private` wrote; empty where it never did."""
    try:
        content: dict[str, str] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return content


@dataclass(frozen=True, kw_only=True)
class Services:
    """Where the databases answer."""

    database_url: str
    redis_url: str
    database_identity: str  # another database, another identity
    owns_database: bool


def project_environment(
    *,
    services: Services,
    folder: Path,
    secrets: Mapping[str, str],
    port: int = 8000,
    sim_port: int = 8090,
) -> dict[str, str]:
    """What the settings read; files go to `folder`. What is set outside wins, so that one can try things."""
    for name in ("media", "static"):
        (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    ours = {
        "DJANGO_SETTINGS_MODULE": "aispinner.settings",
        "DEBUG": "false",
        "ALLOWED_HOSTS": LOOPBACK_HOSTS,
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "ELEVENLABS_BASE_URL": f"http://127.0.0.1:{sim_port}",
        "MEDIA_ROOT": str(folder / "media"),
        "STATIC_ROOT": str(folder / "static"),
        "LOG_FORMAT": "console",
        **secrets,
    }
    outside = {name: os.environ[name] for name in ours if name in os.environ}
    urls = {"DATABASE_URL": services.database_url, "REDIS_URL": services.redis_url}
    whole = {**ours, **outside, **urls, "PYTHONUNBUFFERED": "1"}
    return {**whole, LENT: " ".join(whole)}


def outer_environment() -> dict[str, str]:
    """Our environment without what a `./dev test` or `./dev up` around us has set: to run another one beside it."""
    lent = os.environ.get(LENT, "").split()
    return {name: value for name, value in os.environ.items() if name not in lent and name != LENT}
