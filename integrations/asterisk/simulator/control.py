"""The control API under /_sim: what was dialled, what each telephone heard, and orders for things to go wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from integrations.simulating import wav

from . import sounds
from .audiosocket import AudioSocketLeg
from .channels import Channel
from .errors import AriError, bad_request, not_found
from .faults import FAULTS, MOMENTS, parse_rules
from .media_websocket import MediaLeg
from .numbers import MANNERS, OUTCOMES, parse_script
from .pbx import Pbx
from .phones import RATE, Phone

Json = dict[str, Any]
Control = Callable[[Pbx, Request], Awaitable[Any]]

INDEX: Json = {
    "what": "Asterisk simulator: ARI under /ari, media under /media, and this control API.",
    "control": {
        "GET /_sim/ledger": "?since=<seq>: one entry per dial placed; how it ended",
        "GET /_sim/state": "counts, channels and bridges now",
        "GET /_sim/phones": "every telephone that was rung lately: what it heard and said, when it was interrupted",
        "GET /_sim/phones/{channel_id}": "?hz=440: one of them; `share`: how much of what it heard is that tone",
        "GET /_sim/phones/{channel_id}/{heard|said}.wav": "the sound, 8 kHz",
        "POST /_sim/phones/{channel_id}/hangup": "the person hangs up (BYE)",
        "POST /_sim/phones/{channel_id}/press": "{digit}: the person presses a key",
        "POST /_sim/script": '{"<number or *>": {outcome, ring_secs, talk_secs, …} or null}; null takes it back',
        "GET /_sim/faults": "the rules in force, and all fault names",
        "POST /_sim/faults": '{"rules": [{fault, endpoint, when, moment, number, times, skip, seconds, status, …}]}',
        "DELETE /_sim/faults": "no more faults",
        "POST /_sim/events": '{"action": "drop" | "mute" | "unmute", "app": null}: the event sockets, now',
        "POST /_sim/media/{channel_id}/drop": "the media socket of this channel breaks",
        "POST /_sim/trunk": '{"alive": false}: nobody answers an INVITE any more',
        "POST /_sim/restart": "as when Asterisk is killed and started: channels gone, nobody told",
        "POST /_sim/reset": "{seed?, speed?, version?}: the world starts again",
    },
    "outcomes": list(OUTCOMES),
    "manners": list(MANNERS),
    "moments": list(MOMENTS),
    "faults": {name: {"scope": scope, "what": what} for name, (scope, what) in FAULTS.items()},
}


async def _object(request: Request) -> Json:
    raw = await request.body()
    try:
        body = orjson.loads(raw) if raw else {}
    except orjson.JSONDecodeError as error:
        raise bad_request("The body is not JSON.") from error
    if not isinstance(body, dict):
        raise bad_request("The body must be a JSON object.")
    return body


async def index(pbx: Pbx, _request: Request) -> Json:
    return {**INDEX, "version": pbx.config.version, "speed": pbx.config.speed, "seed": pbx.config.seed}


async def ledger(pbx: Pbx, request: Request) -> Json:
    since = request.query_params.get("since", "0")
    if not since.isdecimal():
        raise bad_request("since must be a number.")
    return {"entries": [vars(dial) for dial in pbx.ledger.dials[int(since) :]], "total": len(pbx.ledger.dials)}


def _media(channel: Channel) -> Json:
    if isinstance(channel.leg, MediaLeg):
        leg = channel.leg
        return {"queued": leg.queued, "dropped": leg.dropped, "flushes": leg.flushes, "connected": leg.connected}
    return {"overruns": channel.leg.overruns} if isinstance(channel.leg, AudioSocketLeg) else {}


async def state(pbx: Pbx, _request: Request) -> Json:
    return {
        "version": pbx.config.version,
        "speed": pbx.config.speed,
        "trunk_alive": pbx.trunk_alive,
        "apps": {name: socket is not None for name, socket in pbx.apps.sockets.items()},
        "channels": [{**channel.shown(), "media": _media(channel)} for channel in pbx.channels.values()],
        "bridges": [bridge.shown() for bridge in pbx.bridges.values()],
        "placed": len(pbx.ledger.dials),
        "in_flight": len(pbx.dials),
        "outcomes": dict(Counter(dial.outcome for dial in pbx.ledger.dials if dial.outcome)),
        "late_frames": pbx.mixer.late_frames,
    }


def _phone(pbx: Pbx, request: Request) -> Phone:
    phone = pbx.phones.get(str(request.path_params["channel_id"]))
    if phone is None:
        raise not_found("No telephone was rung by a channel of that id.")
    return phone


async def phones(pbx: Pbx, _request: Request) -> Json:
    return {"phones": {channel_id: phone.shown() for channel_id, phone in pbx.phones.items()}}


async def phone(pbx: Pbx, request: Request) -> Json:
    found, hz = _phone(pbx, request), request.query_params.get("hz", "440")
    if not hz.isdecimal():
        raise bad_request("hz must be a number.")
    return {**found.shown(), "hz": int(hz), "share": sounds.share_of(bytes(found.heard.pcm), RATE, int(hz))}


async def sound(pbx: Pbx, request: Request) -> Response:
    found, side = _phone(pbx, request), request.path_params["side"]
    if side not in ("heard", "said"):
        raise not_found("heard.wav or said.wav")
    pcm = bytes((found.heard if side == "heard" else found.said).pcm)
    return Response(wav(pcm, rate=RATE), media_type="audio/wav")


def _channel(pbx: Pbx, request: Request) -> Channel:
    channel = pbx.channels.get(str(request.path_params["channel_id"]))
    if channel is None:
        raise not_found("No such channel now.")
    return channel


async def hang_up(pbx: Pbx, request: Request) -> Json:
    channel = _channel(pbx, request)
    pbx.far_end_hangs_up(channel)
    return {"hung_up": channel.id}


async def press(pbx: Pbx, request: Request) -> Json:
    channel, digit = _channel(pbx, request), str((await _object(request)).get("digit") or "1")
    pbx.tell(channel, "ChannelDtmfReceived", digit=digit, duration_ms=100)
    for other in channel.bridge.channels if channel.bridge else []:
        if isinstance(other.leg, MediaLeg):
            other.leg.say("DTMF_END", digit=digit)
        elif isinstance(other.leg, AudioSocketLeg):
            other.leg.press(digit)
    return {"pressed": digit}


async def script(pbx: Pbx, request: Request) -> Json:
    body = await _object(request)
    scripts = {number: parse_script(number, given) for number, given in body.items() if given is not None}
    for number in body:
        pbx.scripts.pop(number, None)
    pbx.scripts.update(scripts)
    return {"scripted": len(pbx.scripts)}


async def get_faults(pbx: Pbx, _request: Request) -> Json:
    return {"rules": [vars(rule) for rule in pbx.faults.rules], "known": INDEX["faults"]}


async def set_faults(pbx: Pbx, request: Request) -> Json:
    pbx.faults.rules = parse_rules(await _object(request))
    return await get_faults(pbx, request)


async def clear_faults(pbx: Pbx, request: Request) -> Json:
    pbx.faults.rules = []
    return await get_faults(pbx, request)


async def events(pbx: Pbx, request: Request) -> Json:
    body = await _object(request)
    action, app = body.get("action"), body.get("app")
    if action not in ("drop", "mute", "unmute"):
        raise bad_request("action must be drop, mute or unmute.")
    return {"sockets": pbx.apps.drop(app) if action == "drop" else pbx.apps.mute(action == "mute", app)}


async def drop_media(pbx: Pbx, request: Request) -> Json:
    channel = _channel(pbx, request)
    if not isinstance(channel.leg, MediaLeg | AudioSocketLeg):
        raise bad_request("That channel has no media socket.")
    pbx.hang_up(channel, cause=38, tech_cause=1001 if isinstance(channel.leg, MediaLeg) else None)
    return {"dropped": channel.id}


async def trunk(pbx: Pbx, request: Request) -> Json:
    pbx.trunk_alive = bool((await _object(request)).get("alive", True))
    return {"alive": pbx.trunk_alive}


async def restart(pbx: Pbx, _request: Request) -> Json:
    pbx.restart()
    return {"restarted": True}


async def reset(pbx: Pbx, request: Request) -> Json:
    body = await _object(request)
    if not set(body) <= {"seed", "speed", "version"}:
        raise bad_request("Only seed, speed and version can change.")
    try:
        pbx.reset(**body)
    except (ValueError, TypeError) as error:
        raise bad_request("speed must be above 0, version look like 22.10.1.") from error
    return {"seed": pbx.config.seed, "speed": pbx.config.speed, "version": pbx.config.version}


def control_routes(pbx: Pbx) -> list[Route]:
    table: tuple[tuple[str, str, Control], ...] = (
        ("GET", "", index),
        ("GET", "ledger", ledger),
        ("GET", "state", state),
        ("GET", "phones", phones),
        ("GET", "phones/{channel_id}", phone),
        ("GET", "phones/{channel_id}/{side}.wav", sound),
        ("POST", "phones/{channel_id}/hangup", hang_up),
        ("POST", "phones/{channel_id}/press", press),
        ("POST", "script", script),
        ("GET", "faults", get_faults),
        ("POST", "faults", set_faults),
        ("DELETE", "faults", clear_faults),
        ("POST", "events", events),
        ("POST", "media/{channel_id}/drop", drop_media),
        ("POST", "trunk", trunk),
        ("POST", "restart", restart),
        ("POST", "reset", reset),
    )
    return [_route(pbx, *row) for row in table]


def _route(pbx: Pbx, method: str, path: str, control: Control) -> Route:
    async def answer(request: Request) -> Response:
        try:
            done = await control(pbx, request)
        except AriError as error:
            return Response(orjson.dumps(error.body), error.status, media_type="application/json")
        if isinstance(done, Response):
            return done
        return Response(orjson.dumps(done), media_type="application/json")

    return Route(f"/_sim/{path}", answer, methods=[method])
