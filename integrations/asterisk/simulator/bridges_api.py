"""/bridges and /recordings."""

from __future__ import annotations

import uuid

from .channels import Bridge
from .errors import AriError, bad_request, conflict, not_found
from .recordings import Recording, rate_of
from .rest import Answer, Asked, Endpoint, Json


def bridge_of(asked: Asked) -> Bridge:
    bridge = asked.pbx.bridges.get(asked.path["bridgeId"])
    if bridge is None:
        raise not_found("Bridge not found")
    return bridge


async def listed(asked: Asked) -> list[Json]:
    return [bridge.shown() for bridge in asked.pbx.bridges.values()]


async def create(asked: Asked) -> Json:
    """A bridge belongs to no application; the first one to put a channel in hears of its end."""
    ident = asked.path.get("bridgeId") or asked.get("bridgeId") or str(uuid.uuid4())
    if ident in asked.pbx.bridges:
        raise conflict(f"Bridge with id '{ident}' already exists")
    bridge = asked.pbx.bridges[ident] = Bridge(id=ident, app="", name=asked.get("name") or "")
    return bridge.shown()


async def shown(asked: Asked) -> Json:
    return bridge_of(asked).shown()


async def destroy(asked: Asked) -> None:
    asked.pbx.destroy_bridge(bridge_of(asked))


async def add(asked: Asked) -> None:
    """All channels or none."""
    bridge = bridge_of(asked)
    names = asked.names("channel")
    if not names:
        raise bad_request("Missing parameter channel")
    channels = [asked.pbx.channels.get(name) for name in names]
    for channel in channels:
        if channel is None:
            raise bad_request("Channel not found")
        if not channel.in_stasis:
            raise AriError(422, "Channel not in Stasis application", reason="Unprocessable Entity")
    for channel in channels:
        if channel is not None:
            bridge.app = bridge.app or channel.app
            bridge.unheard = bridge.unheard or bridge.id in asked.pbx.channels
            asked.pbx.bridge(bridge, channel)


async def remove(asked: Asked) -> None:
    bridge = bridge_of(asked)
    for name in asked.names("channel"):
        channel = asked.pbx.channels.get(name)
        if channel is None:
            raise bad_request("Channel not found")
        if channel.bridge is not bridge:
            raise AriError(422, "Channel not in this bridge", reason="Unprocessable Entity")
        asked.pbx.unbridge(channel)


async def record(asked: Asked) -> Answer:
    """Both sides, mixed. A third member, so the bridge mixes from now on and every member hears frames all the time."""
    bridge, name, form = bridge_of(asked), asked.get("name"), asked.get("format")
    if name is None or form is None:
        raise bad_request("Missing parameter name" if name is None else "Missing parameter format")
    if rate_of(form) is None:
        raise AriError(422, "specified format is unknown on this system", reason="Unprocessable Entity")
    taken = name in asked.pbx.live or name in asked.pbx.stored
    if name in asked.pbx.live or (taken and (asked.get("ifExists") or "fail") == "fail"):
        raise conflict(f"Recording '{name}' already exists and can not be overwritten")
    recording = asked.pbx.live[name] = Recording(name=name, format=form, target=f"bridge:{bridge.id}")
    bridge.recorders.append(recording)
    asked.pbx.tell_of(bridge, "RecordingStarted", recording=recording.live())
    return Answer(recording.live(), 201, "Created")


def _live(asked: Asked) -> Recording:
    recording = asked.pbx.live.get(asked.path["recordingName"])
    if recording is None:
        raise not_found("Recording not found")
    return recording


def _stored(asked: Asked) -> Recording:
    recording = asked.pbx.stored.get(asked.path["recordingName"])
    if recording is None:
        raise not_found("Recording not found")
    return recording


async def live_recording(asked: Asked) -> Json:
    return _live(asked).live()


async def stop(asked: Asked) -> None:
    asked.pbx.finish(_live(asked))


async def discard(asked: Asked) -> None:
    asked.pbx.finish(_live(asked), keep=False)


async def stored_recordings(asked: Asked) -> list[Json]:
    return [recording.stored() for recording in asked.pbx.stored.values()]


async def stored_recording(asked: Asked) -> Json:
    return _stored(asked).stored()


async def recording_file(asked: Asked) -> Answer:
    return Answer(binary=_stored(asked).file())


async def forget(asked: Asked) -> None:
    del asked.pbx.stored[_stored(asked).name]


ENDPOINTS = (
    Endpoint("GET", "/bridges", listed),
    Endpoint("POST", "/bridges", create),
    Endpoint("GET", "/bridges/{bridgeId}", shown),
    Endpoint("POST", "/bridges/{bridgeId}", create),
    Endpoint("DELETE", "/bridges/{bridgeId}", destroy),
    Endpoint("POST", "/bridges/{bridgeId}/addChannel", add),
    Endpoint("POST", "/bridges/{bridgeId}/removeChannel", remove),
    Endpoint("POST", "/bridges/{bridgeId}/record", record),
    Endpoint("GET", "/recordings/live/{recordingName}", live_recording),
    Endpoint("DELETE", "/recordings/live/{recordingName}", discard),
    Endpoint("POST", "/recordings/live/{recordingName}/stop", stop),
    Endpoint("GET", "/recordings/stored", stored_recordings),
    Endpoint("GET", "/recordings/stored/{recordingName}", stored_recording),
    Endpoint("GET", "/recordings/stored/{recordingName}/file", recording_file),
    Endpoint("DELETE", "/recordings/stored/{recordingName}", forget),
)
