"""One dial, from the INVITE to the last event: rings, is answered or refused, talks, hangs up."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from .channels import Channel
from .errors import allocation_failed, bad_request
from .numbers import Story, cause_of, decide, dial_status_of
from .pbx import Pbx
from .phones import Phone

_POST_DIAL_SECS = 0.4
_GAVE_UP, _GAVE_UP_SIP = 19, 480


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
    caller = f"{channel.caller_name} <{channel.caller_number}>".strip()
    details = {"number": number, "trunk": trunk, "channel_id": channel.id, "caller_id": caller, "app": channel.app}
    pbx.dials[channel.id] = pbx.ledger.place(**details)
    phone = Phone(story, keep_secs=pbx.config.keep_secs, hang_up=lambda: pbx.far_end_hangs_up(channel))
    channel.leg = phone
    channel.dialled = f"{number}@{trunk}"
    pbx.keep_phone(channel, phone)
    _Dialling(pbx, channel, phone, story, created=channel.in_stasis).start(timeout)


@dataclass(frozen=True)
class _Dialling:
    """`created`: the channel was in its application before it was dialled, and some events differ."""

    pbx: Pbx
    channel: Channel
    phone: Phone
    story: Story
    created: bool

    def start(self, timeout: float | None) -> None:
        self.channel.task = self.pbx.spawn(self._play(timeout))

    async def _play(self, timeout: float | None) -> None:
        self._status("")
        self._moment("placed")
        try:
            async with asyncio.timeout(None if timeout is None else timeout / self.pbx.config.speed):
                code = await self._until_answered()
        except TimeoutError:
            self._give_up()
            return
        if code == 200:
            await self._talk()
        else:
            self._refused(code)

    async def _until_answered(self) -> int:
        """The SIP code that ends the wait; none comes where nobody replies or nobody picks up."""
        if not self.pbx.trunk_alive or self.story.outcome == "dead_trunk":
            await asyncio.Event().wait()
        await self.pbx.pause(_POST_DIAL_SECS)
        if self.story.early_media:
            self._status("PROGRESS")
        elif self.story.rings:
            self._ring()
        await self.pbx.pause(self.story.ring_secs if self.story.rings or self.story.answers else 0.0)
        if self.story.outcome == "no_answer":
            await asyncio.Event().wait()
        return 200 if self.story.answers else self.story.sip_code

    def _ring(self) -> None:
        """State and Dial come from two threads of Asterisk: sometimes the one is first, sometimes the other."""
        self.pbx.dials[self.channel.id].ringing_at = time.time()
        if self.story.voice % 2:
            self._status("RINGING")
            self.pbx.set_state(self.channel, "Ringing")
        else:
            self.pbx.set_state(self.channel, "Ringing")
            self._status("RINGING")
        self._moment("ringing")

    def _give_up(self) -> None:
        """Nobody picked up in time, or nobody replied at all: no last Dial, and of an originated call no request."""
        request = {"cause": 32, "soft": True} if self.created else None
        rang = self.pbx.dials[self.channel.id].ringing_at is not None
        outcome = "no_answer" if rang else "no_reply"
        hang_up = self.pbx.hang_up
        hang_up(self.channel, cause=_GAVE_UP, tech_cause=_GAVE_UP_SIP, request=request, outcome=outcome)

    def _refused(self, code: int) -> None:
        self.pbx.tell(self.channel, "ChannelHangupRequest", cause=cause_of(code), **self.pbx.said_as_sip(code))
        if not self.created:
            self._status(dial_status_of(code))
        self.pbx.hang_up(self.channel, cause=cause_of(code), tech_cause=code, outcome=self.story.outcome)

    async def _talk(self) -> None:
        self.pbx.dials[self.channel.id].answered_at = time.time()
        self.phone.answer()
        self.pbx.set_state(self.channel, "Up")
        self._status("ANSWER")
        self._moment("answered")
        if not self.created:
            self.pbx.enter(self.channel)
        await self.pbx.pause(self.story.talk_secs)
        self.pbx.far_end_hangs_up(self.channel)

    def _status(self, status: str) -> None:
        self.pbx.tell_dial(self.channel, status, self.channel.dialled)

    def _moment(self, moment: str) -> None:
        """Where a fault may strike: the event socket drops at this very moment."""
        if self.pbx.faults.for_dial(moment=moment, number=self.channel.dialled.rpartition("@")[0]):
            self.pbx.apps.drop(self.channel.app)
