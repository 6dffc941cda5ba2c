"""POST /channels/externalMedia: a channel whose audio goes to an application's own socket."""

from __future__ import annotations

import re
import uuid

from . import sounds
from .audiosocket import KINDS, connect, failed
from .channels import Channel, fresh_id
from .errors import AriError, bad_request
from .media_websocket import MediaLeg
from .rest import Asked, CrashError, Json

_RATES = {"slin": 8000, "slin12": 12000, "slin16": 16000, "slin24": 24000, "slin48": 48000}
_CONTROL_FORMAT = re.compile(r"f\((?P<form>[^)]*)\)")


async def external_media(asked: Asked) -> Json:
    """WebSocket in server mode, or AudioSocket; other transports are not played here.

    22.10.1 dies of a WebSocket channel whose id exists, and of an unknown control format.
    """
    transport, wrapping = asked.get("transport") or "udp", asked.get("encapsulation") or "rtp"
    kind, host, form = asked.get("connection_type") or "client", asked.get("external_host"), asked.get("format")
    if asked.get("app") is None:
        raise bad_request("app cannot be empty")
    if transport == "websocket" and wrapping != "none":
        raise bad_request("encapsulation must be 'none' for websocket transport")
    if wrapping == "audiosocket" and transport != "tcp":
        raise bad_request("transport must be 'tcp' for audiosocket encapsulation")
    if transport != "websocket" and kind == "server":
        raise bad_request("'server' connection_type can only be used with the websocket transport")
    if host is None and kind == "client":
        raise bad_request("external_host is required for all but websocket server connections")
    if form is None:
        raise bad_request("format cannot be empty")
    websocket = transport == "websocket" and asked.pbx.config.can.websocket_media
    if not websocket and wrapping != "audiosocket":
        raise AriError(501, "The encapsulation and/or transport is not supported")
    if form not in _RATES:
        raise failed()
    if (asked.get("channelId") or "") in asked.pbx.channels:
        raise CrashError if websocket else failed()
    return _websocket(asked, form) if websocket else await _audiosocket(asked, str(host), form)


def _channel(asked: Asked, name: str) -> Channel:
    """Of an AudioSocket the data is its UUID, and the application gets it as an argument all the same."""
    data = asked.get("data")
    return Channel(
        id=asked.get("channelId") or fresh_id(),
        name=name,
        app=str(asked.get("app")),
        args=data.split(",") if data else [],
        variables=asked.variables,
    )


def _websocket(asked: Asked, form: str) -> Json:
    if (asked.get("connection_type") or "client") == "client":
        raise bad_request("external_host must be a valid websocket_client connection id.")
    found = _CONTROL_FORMAT.search(asked.get("transport_data") or "")
    if found and found["form"] not in ("json", "plain-text"):
        raise CrashError
    channel = _channel(asked, f"WebSocket/INCOMING/0x{uuid.uuid4().hex[:12]}")
    channel.dialled = f"INCOMING/{asked.get('transport_data') or ''}"
    connection_id = str(uuid.uuid4())
    as_json = bool(found and found["form"] == "json" and asked.pbx.config.can.json_control)
    channel.leg = MediaLeg(channel, connection_id, rate=_RATES[form], form=form, as_json=as_json)
    channel.variables["MEDIA_WEBSOCKET_CONNECTION_ID"] = connection_id
    channel.variables["MEDIA_WEBSOCKET_OPTIMAL_FRAME_SIZE"] = str(sounds.frame_size(_RATES[form]))
    asked.pbx.add(channel)
    asked.pbx.tell_dial(channel, "", channel.dialled)
    return {**channel.shown(), "channelvars": dict(channel.variables)}


async def _audiosocket(asked: Asked, host: str, form: str) -> Json:
    data, rate = asked.get("data"), _RATES[form]
    if re.search(r":\d+$", host) is None:
        raise bad_request("external_host must be <host>:<port> for all transports other than websocket")
    if data is None:
        raise bad_request("data can not be empty")
    if rate not in KINDS or (rate != 8000 and not asked.pbx.config.can.audiosocket_rates):
        raise failed()
    channel = _channel(asked, f"AudioSocket/{host}-{data}")
    channel.dialled = f"{host}/{data}"
    channel.variables |= {"AUDIOSOCKET_SERVICE": host, "AUDIOSOCKET_UUID": data}
    shown = {**channel.shown(), "channelvars": dict(channel.variables)}
    await connect(asked.pbx, channel, host=host, data=data, rate=rate)
    return shown
