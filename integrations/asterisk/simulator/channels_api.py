"""/channels: originate, create and dial, look, hang up, variables, snoop, into the dialplan and back."""

from __future__ import annotations

import re
import uuid
from typing import Any

from .channels import Channel, fresh_id
from .dialing import dial, parse_endpoint
from .errors import AriError, bad_request, conflict, not_found
from .external_media import external_media
from .pbx import NORMAL, Pbx
from .phones import Phone
from .rest import Asked, Endpoint, Json

_LONGEST_ID = 149
_FORMATS = {"ulaw", "alaw", "slin", "slin16", "slin24", "slin48", "g722", "opus"}
_CALLER = re.compile(r'\s*"?(?P<name>[^"<]*?)"?\s*<(?P<number>[^>]*)>\s*')
_REASONS = {
    "normal": 16, "busy": 17, "congestion": 34, "no_answer": 19, "timeout": 102, "rejected": 21, "unallocated": 1,
    "normal_unspecified": 31, "number_incomplete": 28, "codec_mismatch": 127, "interworking": 127, "failure": 38,
    "answered_elsewhere": 26,
}  # fmt: skip
_AS_SIP = {1: 404, 17: 486, 19: 480, 21: 403, 34: 503}


def channel_of(asked: Asked, *, in_stasis: bool = False) -> Channel:
    """The channel named in the path; AriError 404 or, outside an application, 409."""
    channel = asked.pbx.channels.get(asked.path["channelId"])
    if channel is None:
        raise not_found("Channel not found")
    if in_stasis and not channel.in_stasis:
        raise conflict("Channel not in Stasis application")
    return channel


def wanted_id(asked: Asked, name: str = "channelId") -> str:
    """The id that was asked for or a fresh one; AriError 409 where it is taken."""
    ident = asked.path.get(name) or asked.get(name) or fresh_id()
    if len(ident) > _LONGEST_ID:
        raise bad_request(f"Uniqueid length exceeds maximum of {_LONGEST_ID}")
    if ident in asked.pbx.channels:
        raise conflict("Channel with given unique ID already exists")
    return ident


def _outgoing(asked: Asked, *, missing_app: str) -> tuple[Channel, str, str]:
    """A channel towards the endpoint asked for, not dialled yet; its number and trunk."""
    endpoint = asked.get("endpoint")
    if endpoint is None:
        raise bad_request("Endpoint must be specified")
    if asked.get("app") is None:
        raise bad_request(missing_app)
    for form in (asked.get("formats") or "").split(","):
        if form and form.strip() not in _FORMATS:
            raise bad_request(f"Provided format ({form.strip()}) was not found")
    number, trunk = parse_endpoint(asked.pbx, endpoint)
    ident = wanted_id(asked)
    caller = _CALLER.fullmatch(asked.get("callerId") or "")
    args = asked.get("appArgs")
    channel = Channel(
        id=ident,
        name=asked.pbx.next_name(f"PJSIP/{trunk}"),
        app=asked.get("app") or "",
        args=args.split(",") if args else [],
        protocol_id=str(uuid.uuid4()),
        variables=asked.variables,
        caller_name=caller["name"] if caller else "",
        caller_number=caller["number"] if caller else (asked.get("callerId") or ""),
    )
    return channel, number, trunk


async def originate(asked: Asked) -> Json:
    """POST /channels and /channels/{id}: rings at once; the application hears of it by events."""
    if asked.get("originator") and asked.get("formats"):
        raise bad_request("Originator and formats can't both be specified")
    channel, number, trunk = _outgoing(asked, missing_app="Application or extension must be specified")
    timeout = asked.number("timeout")
    asked.pbx.add(channel)
    shown = channel.shown()
    limit = None if timeout == -1 else float(timeout or 30)
    dial(asked.pbx, channel, number=number, trunk=trunk, timeout=limit)
    return shown


async def create(asked: Asked) -> Json:
    """POST /channels/create: in the application at once, dialled later, so that early media reaches a bridge."""
    channel, number, trunk = _outgoing(asked, missing_app="Application must be specified")
    asked.pbx.add(channel)
    channel.dialable = f"{number}@{trunk}"
    shown = channel.shown()
    data = ",".join([channel.app, *channel.args])
    asked.pbx.tell(channel, "ChannelDialplan", dialplan_app="Stasis", dialplan_app_data=data)
    asked.pbx.enter(channel)
    return shown


async def dial_created(asked: Asked) -> None:
    channel = asked.pbx.channels.get(asked.path["channelId"])
    if channel is None:
        raise not_found("Callee not found")
    if channel.state != "Down":
        raise conflict("Channel is not in the 'Down' state")
    if channel.dialable is None:
        raise conflict("Dialing a channel not created by ARI")
    number, _, trunk = channel.dialable.rpartition("@")
    channel.dialable = None
    timeout = asked.number("timeout")
    dial(asked.pbx, channel, number=number, trunk=trunk, timeout=float(timeout) if timeout else None)


async def listed(asked: Asked) -> list[Json]:
    return [channel.shown() for channel in asked.pbx.channels.values()]


async def shown(asked: Asked) -> Json:
    return channel_of(asked).shown()


async def hang_up(asked: Asked) -> None:
    """DELETE /channels/{id}; the far end is told the reason."""
    channel = channel_of(asked)
    reason, code = asked.get("reason"), asked.number("reason_code")
    if reason and code is not None:
        raise bad_request("The reason and reason_code can't both be specified")
    if reason is not None and reason not in _REASONS:
        raise AriError(400, "Invalid reason for hangup reason provided", reason="Invalid Reason")
    cause = code if code is not None else _REASONS[reason or "normal"]
    asked.pbx.tell(channel, "ChannelHangupRequest", cause=32, soft=True)
    if not channel.in_stasis and channel.state != "Up":
        asked.pbx.tell_dial(channel, "NOANSWER", channel.dialled)
    asked.pbx.hang_up(channel, cause=cause, tech_cause=_AS_SIP.get(cause))


async def read_variable(asked: Asked) -> Json:
    channel, name = channel_of(asked), asked.get("variable")
    if name is None:
        raise bad_request("Variable name is required")
    if name not in channel.variables and not name.endswith(")"):
        raise AriError(404, "Provided variable was not found", reason="Variable Not Found")
    return {"value": channel.variables.get(name, "")}


async def write_variable(asked: Asked) -> None:
    channel, name = channel_of(asked, in_stasis=True), asked.get("variable")
    if name is None:
        raise bad_request("Variable name is required")
    asked.pbx.set_variable(channel, name, asked.get("value") or "")


async def answer(asked: Asked) -> None:
    asked.pbx.set_state(channel_of(asked, in_stasis=True), "Up")


async def press_keys(asked: Asked) -> None:
    channel_of(asked, in_stasis=True)
    if asked.get("dtmf") is None:
        raise bad_request("DTMF is required")


async def snoop(asked: Asked) -> Json:
    """A channel that overhears another one; meant for AMD beside a live conversation."""
    spied = asked.pbx.channels.get(asked.path["channelId"])
    spy, whisper = asked.get("spy") or "none", asked.get("whisper") or "none"
    if not {spy, whisper} <= {"none", "both", "out", "in"}:
        raise bad_request("Invalid direction specified for spy")
    if spy == whisper == "none":
        raise bad_request("Direction must be specified for at least spy or whisper")
    if asked.get("app") is None:
        raise bad_request("Application name is required")
    if spied is None:
        raise AriError(404, "Provided channel was not found", reason="Channel Not Found")
    args = asked.get("appArgs")
    channel = Channel(
        id=wanted_id(asked, "snoopId"),
        name=asked.pbx.next_name(f"Snoop/{spied.id}"),
        app=str(asked.get("app")),
        args=args.split(",") if args else [],
        state="Up",
        spied=spied,
    )
    asked.pbx.add(channel)
    shown = channel.shown()
    asked.pbx.enter(channel)
    return shown


async def go_on(asked: Asked) -> None:
    """POST /channels/{id}/continue into a context that runs AMD() and comes back with [amd, status, cause]. Into
    another one: a snoop is gone without a word, a call is hung up."""
    channel, context = channel_of(asked, in_stasis=True), asked.get("context") or "default"
    asked.pbx.leave(channel)
    if context not in asked.pbx.config.contexts:
        asked.pbx.hang_up(channel, cause=NORMAL)
        return
    work = _listen_for_machine(asked.pbx, channel)
    if channel.spied is not None:
        channel.task = asked.pbx.spawn(work)
    else:
        asked.pbx.spawn(work)  # the call's own task goes on: the far end may hang up meanwhile


async def _listen_for_machine(pbx: Pbx, channel: Channel) -> None:
    leg = (channel.spied or channel).leg
    status, cause, secs = leg.story.amd if isinstance(leg, Phone) else ("NOTSURE", "TOOLONG-5000", 5.0)
    await pbx.pause(secs)
    if not channel.gone:
        channel.variables.update({"AMDSTATUS": status, "AMDCAUSE": cause})
        channel.args = ["amd", status, cause]
        pbx.enter(channel)


async def nothing(asked: Asked) -> Any:
    """Taken and without effect here: silence, hold, music, ringing, mute."""
    channel_of(asked, in_stasis=True)


_QUIET = ("ring", "mute", "hold", "moh", "silence")
ENDPOINTS = (
    Endpoint("GET", "/channels", listed),
    Endpoint("POST", "/channels", originate),
    Endpoint("POST", "/channels/create", create),
    Endpoint("POST", "/channels/externalMedia", external_media),
    Endpoint("GET", "/channels/{channelId}", shown),
    Endpoint("POST", "/channels/{channelId}", originate),
    Endpoint("DELETE", "/channels/{channelId}", hang_up),
    Endpoint("POST", "/channels/{channelId}/dial", dial_created),
    Endpoint("POST", "/channels/{channelId}/answer", answer),
    Endpoint("POST", "/channels/{channelId}/continue", go_on),
    Endpoint("POST", "/channels/{channelId}/dtmf", press_keys),
    Endpoint("GET", "/channels/{channelId}/variable", read_variable),
    Endpoint("POST", "/channels/{channelId}/variable", write_variable),
    Endpoint("POST", "/channels/{channelId}/snoop", snoop),
    Endpoint("POST", "/channels/{channelId}/snoop/{snoopId}", snoop),
    *(Endpoint(method, f"/channels/{{channelId}}/{what}", nothing) for what in _QUIET for method in ("POST", "DELETE")),
)
