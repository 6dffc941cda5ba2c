"""What may stand in a workspace's `settings_json`, how changes are merged into it, and what of it is shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from integrations.numbers import parse_e164
from telephony.api.reading import Findings
from telephony.retention.policy import MOST_DAYS, NAMES, is_days

SECRETS = frozenset({"password", "sip_password"})
MOST_PROVIDERS = 50
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\Z")

Check = Callable[[Any], str]  # a sentence, or nothing where the value is good


def public_settings(stored: Mapping[str, Any]) -> dict[str, Any]:
    """`stored` without secrets: `has_password` and `has_sip_password` tell whether they are set."""
    shown = {key: value for key, value in stored.items() if key not in SECRETS}
    shown["providers"] = [_public_provider(provider) for provider in stored.get("providers", [])]
    shown["has_sip_password"] = bool(stored.get("sip_password"))
    return shown


def merge_settings(stored: Mapping[str, Any], changes: Mapping[str, Any], findings: Findings) -> dict[str, Any]:
    """`stored` with `changes`, key by key; None removes. What is wrong is noted in `findings`.

    `providers` are replaced as a whole list; a provider that comes without its password keeps the one it has.
    """
    merged = dict(stored)
    for name, value in changes.items():
        if name == "has_sip_password":
            continue  # as shown; sent back with the rest by who edits what GET gave
        if value is None:
            merged.pop(name, None)
        elif name == "providers":
            merged[name] = _merge_providers(stored.get("providers", []), value, findings)
        elif (sentence := _check(_TOP, name, value)) != "":
            findings.blame(f"settings_json.{name}", sentence)
        else:
            merged[name] = value
    _check_default(merged, findings)
    return merged


def _public_provider(provider: Mapping[str, Any]) -> dict[str, Any]:
    shown = {key: value for key, value in provider.items() if key not in SECRETS}
    return {**shown, "has_password": bool(provider.get("password"))}


def _merge_providers(stored: Any, value: Any, findings: Findings) -> list[dict[str, Any]]:
    field = "settings_json.providers"
    if not isinstance(value, list) or len(value) > MOST_PROVIDERS:
        findings.blame(field, f"Takes a list of at most {MOST_PROVIDERS} providers.")
        return []
    before = {provider.get("id"): provider for provider in stored}
    merged: dict[Any, dict[str, Any]] = {}
    for position, item in enumerate(value):
        provider = _read_provider(item, f"{field}.{position}", findings)
        if provider is None:
            continue
        if provider["id"] in merged:
            findings.blame(f"{field}.{position}.id", "Another provider in the list has this id.")
        if "password" not in item and "password" in before.get(provider["id"], {}):
            provider["password"] = before[provider["id"]]["password"]
        merged[provider["id"]] = provider
    return list(merged.values())


def _read_provider(item: Any, place: str, findings: Findings) -> dict[str, Any] | None:
    if not isinstance(item, Mapping):
        findings.blame(place, "Takes a provider: {id, kind, url, username, password, app, endpoint, …}.")
        return None
    provider = {key: value for key, value in item.items() if value is not None and key != "has_password"}
    provider.setdefault("kind", "ari")
    wrong = {name: sentence for name, value in provider.items() if (sentence := _check(_PROVIDER, name, value))}
    for name in ("id", "url"):
        if name not in provider:
            wrong[name] = "This is needed."
    for name, sentence in wrong.items():
        findings.blame(f"{place}.{name}", sentence)
    return None if wrong else provider


def _check_default(merged: Mapping[str, Any], findings: Findings) -> None:
    default = merged.get("default_provider_id")
    ids = [provider["id"] for provider in merged.get("providers", [])]
    if isinstance(default, str) and default not in ids and not findings.errors:
        known = f"It takes one of: {', '.join(ids)}." if ids else "None is set up: add it to providers."
        findings.blame("settings_json.default_provider_id", f"No provider has this id. {known}")


def _check(checks: Mapping[str, Check], name: str, value: Any) -> str:
    check = checks.get(name)
    if check is None:
        return f"There is no such setting; known are {', '.join(checks)}."
    return check(value)


def _text(longest: int) -> Check:
    def check(value: Any) -> str:
        good = isinstance(value, str) and 0 < len(value) <= longest and value.isprintable()
        return "" if good else f"Takes a text of 1 to {longest} characters."

    return check


def _whole(low: int, high: int) -> Check:
    def check(value: Any) -> str:
        good = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return "" if good else f"Takes a whole number from {low} to {high}."

    return check


def _id(value: Any) -> str:
    if isinstance(value, str) and _ID.match(value):
        return ""
    return "Takes letters, digits, dots, dashes and underscores, at most 100 of them."


def _kind(value: Any) -> str:
    return "" if value == "ari" else "Takes ari."


def _media(value: Any) -> str:
    return (
        ""
        if isinstance(value, str) and value in {"auto", "websocket", "audiosocket"}
        else "Takes auto, websocket or audiosocket."
    )


def _context(value: Any) -> str:
    if isinstance(value, str) and _ID.match(value):
        return ""
    return "Takes the name of a dialplan context that runs AMD(): letters, digits, dots, dashes, underscores."


def _url(value: Any) -> str:
    sentence = "Takes the address of Asterisk's HTTP server, such as http://pbx.example.org:8088, without credentials."
    if not isinstance(value, str) or len(value) > 500 or not value.isprintable():
        return sentence
    try:
        parts = urlsplit(value)
        good = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        return sentence
    return "" if good and parts.username is None and parts.password is None else sentence


def _endpoint(value: Any) -> str:
    if isinstance(value, str) and value.count("{number}") == 1 and len(value) <= 200 and value.isprintable():
        return ""
    return "Takes what Asterisk dials, with {number} once in it, such as PJSIP/{number}@trunk."


def _rate(value: Any) -> str:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= 1000
    return "" if good else "Takes a number above 0, at most 1000."


def _phone(value: Any) -> str:
    try:
        parse_e164(value if isinstance(value, str) else "")
    except ValueError as error:
        return str(error)
    return ""


def _retention(value: Any) -> str:
    if isinstance(value, Mapping) and all(name in NAMES and is_days(days) for name, days in value.items()):
        return ""
    return f"Takes an object with some of {', '.join(NAMES)}, each a whole number of days from 1 to {MOST_DAYS}."


_TOP: Mapping[str, Check] = {
    "default_provider_id": _id,
    "providers": _text(0),
    "retention": _retention,
    "sip_server": _text(255),
    "sip_port": _whole(1, 65535),
    "sip_user": _text(255),
    "sip_password": _text(500),
    "sip_phone": _phone,
}
_PROVIDER: Mapping[str, Check] = {
    "id": _id,
    "kind": _kind,
    "title": _text(200),
    "url": _url,
    "username": _text(255),
    "password": _text(500),
    "app": _id,
    "endpoint": _endpoint,
    "caller_id": _text(100),
    "calls_per_second": _rate,
    "max_concurrent": _whole(1, 1000),
    "ring_seconds": _whole(5, 120),
    "media": _media,
    "amd_context": _context,
}
