"""/asterisk, /endpoints and /applications: what this PBX is, which trunks it has, who listens."""

from __future__ import annotations

from .apps import ASTERISK_ID, timestamp
from .errors import not_found
from .rest import Asked, Endpoint, Json


async def info(asked: Asked) -> Json:
    """GET /asterisk/info?only=build,system,config,status."""
    system = {"version": asked.pbx.config.version, "entity_id": ASTERISK_ID}
    whole: Json = {
        "build": {"os": "Linux", "kernel": "6.1.0", "options": "OPTIONAL_API", "machine": "x86_64"},
        "system": system,
        "config": {"name": "", "default_language": "en", "setid": {"user": "", "group": ""}},
        "status": {
            "startup_time": timestamp(asked.pbx.started_at),
            "last_reload_time": timestamp(asked.pbx.started_at),
        },
    }
    only = [part for part in (asked.get("only") or "").split(",") if part]
    return {name: part for name, part in whole.items() if not only or name in only}


async def ping(_asked: Asked) -> Json:
    return {"asterisk_id": ASTERISK_ID, "ping": "pong", "timestamp": timestamp()}


def _endpoint(asked: Asked, trunk: str) -> Json:
    ids = [one.id for one in asked.pbx.channels.values() if one.name.startswith(f"PJSIP/{trunk}-")]
    state = "online" if asked.pbx.trunk_alive else "offline"
    return {"technology": "PJSIP", "resource": trunk, "state": state, "channel_ids": ids}


async def endpoints(asked: Asked) -> list[Json]:
    return [_endpoint(asked, trunk) for trunk in asked.pbx.config.trunks]


async def endpoint(asked: Asked) -> Json:
    if asked.path["tech"].upper() != "PJSIP" or asked.path["resource"] not in asked.pbx.config.trunks:
        raise not_found("Endpoint not found")
    return _endpoint(asked, asked.path["resource"])


def _application(asked: Asked, name: str) -> Json:
    channels = [one.id for one in asked.pbx.channels.values() if one.app == name]
    bridges = [one.id for one in asked.pbx.bridges.values() if one.app == name]
    return {
        "name": name,
        "channel_ids": channels,
        "bridge_ids": bridges,
        "endpoint_ids": [],
        "device_names": [],
        "events_allowed": [],
        "events_disallowed": [],
    }


def _known(asked: Asked, name: str) -> bool:
    """Without a socket only as long as channels of it are up."""
    return asked.pbx.apps.hears(name) or any(one.app == name for one in asked.pbx.channels.values())


async def applications(asked: Asked) -> list[Json]:
    return [_application(asked, name) for name in asked.pbx.apps.sockets if _known(asked, name)]


async def application(asked: Asked) -> Json:
    if not _known(asked, asked.path["applicationName"]):
        raise not_found("Application not found")
    return _application(asked, asked.path["applicationName"])


ENDPOINTS = (
    Endpoint("GET", "/asterisk/info", info),
    Endpoint("GET", "/asterisk/ping", ping),
    Endpoint("GET", "/endpoints", endpoints),
    Endpoint("GET", "/endpoints/{tech}/{resource}", endpoint),
    Endpoint("GET", "/applications", applications),
    Endpoint("GET", "/applications/{applicationName}", application),
    Endpoint("POST", "/applications/{applicationName}/subscription", application),
)
