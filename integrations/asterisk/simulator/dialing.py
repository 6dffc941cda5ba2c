"""One dial, from the INVITE to the last event: rings, is answered or refused, talks, hangs up."""

from __future__ import annotations

import asyncio
import time
from typing import Literal

from .apps import Json
from .channels import Channel
from .errors import allocation_failed, bad_request
from .numbers import Story, cause_of, decide
from .pbx import NORMAL, Pbx
from .phones import Phone

Moment = Literal["placed", "ringing", "answered", "ended"]
_POST_DIAL_SECS = 0.4


def parse_endpoint(pbx: Pbx, endpoint: str) -> tuple[str, str]:
    """Number and trunk of `PJSIP/<number>@<trunk>`; AriError as Asterisk answers."""
    tech, slash, resource = endpoint.partition("/")
    if not (tech and slash and resource):
        raise bad_request("Invalid endpoint specified")
    number, _, trunk = resource.rpartition("@")
    if tech.upper() != "PJSIP" or trunk not in pbx.config.trunks:
        raise allocation_failed()
    return number, trunk


def dial(pbx: Pbx, channel: Channel, *, number: str, trunk: str, timeout: float | None) -> None:
    """Send the INVITE. `timeout` in simulated seconds, None for none; `channel` is told of by events."""
    story = decide(seed=pbx.config.seed, number=number, script=pbx.scripts.get(number) or pbx.scripts.get("*"))
    caller = f"{channel.caller_name} <{channel.connected_number}>".strip()
    entry = pbx.ledger.place(number=number, trunk=trunk, channel_id=channel.id, caller_id=caller, app=channel.app)
    pbx.dials[channel.id] = entry

    def far_end_hangs_up() -> None:
        pbx.hang_up(channel, cause=NORMAL if channel.bridge else 0)

    phone = Phone(story, keep_secs=pbx.config.keep_secs, hang_up=far_end_hangs_up)
    channel.leg = phone
    pbx.keep_phone(channel, phone)
    channel.task = pbx.spawn(_play(pbx, channel, phone, story, timeout=timeout))


def _told(pbx: Pbx, channel: Channel, status: str, dialstring: str) -> None:
    fields: Json = {"dialstatus": status, "forward": "", "dialstring": dialstring, "peer": channel.shown()}
    pbx.apps.tell(channel.app, "Dial", **fields)


def _moment(pbx: Pbx, channel: Channel, moment: Moment) -> None:
    """Where a fault may strike: the event socket drops at this very moment."""
    number = pbx.dials[channel.id].number if channel.id in pbx.dials else ""
    if pbx.faults.for_dial(moment=moment, number=number):
        pbx.apps.drop(channel.app)


async def _play(pbx: Pbx, channel: Channel, phone: Phone, story: Story, *, timeout: float | None) -> None:
    entry = pbx.dials[channel.id]
    dialstring = f"{entry.number}@{entry.trunk}"
    _told(pbx, channel, "", dialstring)
    _moment(pbx, channel, "placed")
    try:
        async with asyncio.timeout(None if timeout is None else timeout / pbx.config.speed):
            code = await _until_answered(pbx, channel, story, dialstring)
    except TimeoutError:
        code = 480
    if code != 200:
        _fail(pbx, channel, code, dialstring)
        return
    await _talk(pbx, channel, phone, story, dialstring)


async def _until_answered(pbx: Pbx, channel: Channel, story: Story, dialstring: str) -> int:
    """The SIP code that ends the wait; never comes back from a dead trunk."""
    if not pbx.trunk_alive or story.outcome == "dead_trunk":
        await asyncio.Event().wait()
    await pbx.pause(_POST_DIAL_SECS)
    if story.early_media:
        _told(pbx, channel, "PROGRESS", dialstring)
    elif story.rings:
        pbx.set_state(channel, "Ringing")
        _told(pbx, channel, "RINGING", dialstring)
    pbx.dials[channel.id].ringing_at = time.time() if story.rings else None
    _moment(pbx, channel, "ringing")
    await pbx.pause(story.ring_secs if story.rings or story.answers else 0.0)
    return 200 if story.answers else story.sip_code


def _fail(pbx: Pbx, channel: Channel, code: int, dialstring: str) -> None:
    """Dial.dialstatus is as coarse as the real one: BUSY, CONGESTION or NOANSWER."""
    status = {486: "BUSY", 600: "BUSY", 503: "CONGESTION"}.get(code, "NOANSWER")
    _told(pbx, channel, status, dialstring)
    pbx.hang_up(channel, cause=cause_of(code), tech_cause=code)


async def _talk(pbx: Pbx, channel: Channel, phone: Phone, story: Story, dialstring: str) -> None:
    entry = pbx.dials[channel.id]
    entry.answered_at = time.time()
    phone.answer()
    pbx.set_state(channel, "Up")
    _told(pbx, channel, "ANSWER", dialstring)
    _moment(pbx, channel, "answered")
    if not channel.in_stasis:
        pbx.enter(channel)
    await pbx.pause(story.talk_secs)
    pbx.hang_up(channel, cause=NORMAL if channel.bridge else 0)
