"""Strict readers of the environment: what is missing or wrong stops the start with a sentence that says what to do."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from binascii import Error as NotBase64
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

env = environ.Env()


def required(name: str, *, hint: str) -> str:
    """The value of `name`, which must be set and not empty; `hint` says how to make one."""
    value: str = env.str(name, default="").strip()
    if not value:
        raise ImproperlyConfigured(f"{name} is not set. {hint}")
    return value


def choice(name: str, *, default: str, allowed: tuple[str, ...]) -> str:
    """The value of `name`, one of `allowed`."""
    value: str = env.str(name, default=default)
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} is {value!r}; it takes one of: {', '.join(allowed)}.")
    return value


def whole_number(name: str, *, default: int, low: int, high: int) -> int:
    """The value of `name` as an integer within `low`..`high`."""
    raw: str = env.str(name, default=str(default))
    if not raw.lstrip("-").isdigit() or not low <= int(raw) <= high:
        raise ImproperlyConfigured(f"{name} is {raw!r}; it takes a whole number from {low} to {high}.")
    return int(raw)


def seconds(name: str, *, default: float, low: float, high: float) -> float:
    """The value of `name` as seconds within `low`..`high`, fractions allowed; 0 always is: never."""
    raw: str = env.str(name, default=str(default))
    if not raw.replace(".", "", 1).isdecimal() or not (float(raw) == 0 or low <= float(raw) <= high):
        raise ImproperlyConfigured(f"{name} is {raw!r}; it takes seconds from {low} to {high}, or 0 for never.")
    return float(raw)


def http_url(name: str, *, default: str) -> str:
    """The value of `name` as an http(s) address without a slash at its end; empty stays empty."""
    value: str = env.str(name, default=default).rstrip("/")
    if value and (urlsplit(value).scheme not in {"http", "https"} or not urlsplit(value).netloc):
        raise ImproperlyConfigured(f"{name} takes an address such as https://calls.example.org; it is {value!r}.")
    return value


def is_loopback(url: str) -> bool:
    """Whether `url` leads to this machine and nowhere else."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def host_and_port(name: str, *, default: str) -> str:
    """The value of `name` as `host:port`; empty stays empty where that is the default."""
    value: str = env.str(name, default=default).strip()
    host, _, port = value.rpartition(":")
    if (value or default) and not (host and port.isascii() and port.isdigit() and int(port) < 65536):
        raise ImproperlyConfigured(f"{name} takes a host and a port such as 10.0.0.5:8095; it is {value!r}.")
    return value


def ice_servers(name: str) -> list[dict[str, str | list[str]]]:
    """The value of `name`: a JSON list of `{"urls": …, "username": …, "credential": …}` as browsers take it."""
    hint = f'{name} takes JSON such as [{{"urls": "turn:turn.example.org", "username": "u", "credential": "c"}}].'
    try:
        given = json.loads(env.str(name, default="") or "[]")
    except ValueError:
        raise ImproperlyConfigured(hint) from None
    if not isinstance(given, list) or not all(isinstance(each, dict) and _is_ice_server(each) for each in given):
        raise ImproperlyConfigured(hint)
    return given


def _is_ice_server(server: dict[str, object]) -> bool:
    urls = server.get("urls")
    listed = urls if isinstance(urls, list) else [urls]
    good = all(isinstance(url, str) and url.startswith(("stun:", "stuns:", "turn:", "turns:")) for url in listed)
    known = {"urls", "username", "credential"}
    return (
        bool(listed)
        and good
        and server.keys() <= known
        and all(isinstance(server.get(k, ""), str) for k in known - {"urls"})
    )


def origins(name: str) -> list[str]:
    """The value of `name`: origins as browsers send them (scheme, host and perhaps port), separated by commas."""
    given: list[str] = [each.strip() for each in env.list(name, default=[]) if each.strip()]
    for origin in given:
        parts = urlsplit(origin)
        if parts.scheme not in {"http", "https"} or origin != f"{parts.scheme}://{parts.netloc}" or "*" in origin:
            raise ImproperlyConfigured(
                f"{name} takes origins such as https://app.example.org, without a path; one is {origin!r}."
            )
    return given


def rate(name: str, *, default: str) -> tuple[int, int] | None:
    """The value of `name` as (how many, in how many seconds): `600/min`; None for `off`."""
    value: str = env.str(name, default=default).strip().lower()
    count, _, unit = value.partition("/")
    seconds = {"s": 1, "sec": 1, "min": 60, "h": 3600, "hour": 3600}.get(unit)
    if value == "off":
        return None
    if not (count.isascii() and count.isdigit() and int(count) and seconds):
        raise ImproperlyConfigured(f"{name} is {value!r}; it takes a rate such as 600/min, 20/s or 10000/h, or off.")
    return int(count), seconds


def crash_points(name: str, *, simulated: bool) -> Path | None:
    """The folder where processes are told to die (`core/crash_points.py`); only where the provider is a simulator."""
    folder: str = env.str(name, default="")
    if folder and not simulated:
        raise ImproperlyConfigured(f"{name} makes processes kill themselves; it is refused beside a real provider.")
    return Path(folder) if folder else None


def fernet_keys(name: str) -> list[str]:
    """Fernet keys, newest first: the first encrypts, all decrypt (fernet spec: 32 bytes, url-safe base64)."""
    hint = (
        "It encrypts provider credentials. Make one with: "
        "python -c 'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())'"
    )
    keys = [key.strip() for key in required(name, hint=hint).split(",") if key.strip()]
    for position, key in enumerate(keys, start=1):
        try:
            good = len(urlsafe_b64decode(key)) == 32
        except (NotBase64, ValueError):
            good = False
        if not good:
            raise ImproperlyConfigured(f"{name}: key number {position} is not 32 bytes of url-safe base64. {hint}")
    return keys
