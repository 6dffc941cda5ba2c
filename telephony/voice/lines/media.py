"""An answered call joined with an agent: a bridge picked, a media channel opened to it, both mixed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import uuid4

from integrations.asterisk.client import Ari
from integrations.errors import Answer, ProviderError, Reason
from integrations.http import Reply
from telephony.voice.bridges import (
    AudioSocketMedia,
    BridgeRefusedError,
    Room,
    WebSocketMedia,
    open_session,
    pick_bridge,
)
from telephony.voice.lines.providers import Provider
from telephony.voice.lines.told import BRIDGE_LOST, NO_BRIDGE
from telephony.voice.threads import aside

BRIDGE_WITHIN = 6.0  # seconds; a bridge that died is known to be dead after 5, and another may have room
LOOK_AGAIN = 0.5
MEDIA_WITHIN = 5.0  # seconds until the media channel must be ours
NARROW, WIDE = 8000, 16000  # samples a second


class NotJoinedError(Exception):
    """Nobody can talk to whoever has answered; `reason` is a call's."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def media_id(call_id: str) -> str:
    """The id of a call's media channel."""
    return f"{call_id}-media"


async def join(ari: Ari, call_id: str, *, provider: Provider, begun: asyncio.Future[bool]) -> None:
    """Put an agent on the line; `begun` tells whether the media channel has entered our application, or is gone.

    NotJoinedError where no bridge takes the call, or Asterisk does not carry it there.
    """
    try:
        await _carry(ari, call_id, provider=provider, begun=begun)
        async with asyncio.timeout(MEDIA_WITHIN):
            has_begun = await begun
        if not has_begun:
            raise NotJoinedError(BRIDGE_LOST)
        _check(await ari.ask("POST", "bridges", body={"type": "mixing", "bridgeId": call_id}))
        members = {"channel": f"{call_id},{media_id(call_id)}"}
        _check(await ari.ask("POST", f"bridges/{call_id}/addChannel", query=members))
    except (ProviderError, TimeoutError):
        raise NotJoinedError(BRIDGE_LOST) from None


async def take_down(ari: Ari, call_id: str) -> None:
    """Remove what `join` made; what is gone already is gone."""
    with suppress(ProviderError):
        await ari.ask("DELETE", f"channels/{media_id(call_id)}")
        await ari.ask("DELETE", f"bridges/{call_id}")


async def _carry(ari: Ari, call_id: str, *, provider: Provider, begun: asyncio.Future[bool]) -> None:
    """By the newer way where the PBX has it: which modules are loaded, its version does not tell, but its refusal."""
    if provider.media == "websocket" or (provider.media == "auto" and ari.version.has_websocket_media):
        try:
            await _over_websocket(ari, call_id, begun)
        except ProviderError as error:
            if provider.media == "websocket" or error.answer is not Answer.REFUSED:
                raise
        else:
            return
    await _over_audiosocket(ari, call_id, begun)


async def _over_websocket(ari: Ari, call_id: str, begun: asyncio.Future[bool]) -> None:
    """Asterisk waits for the bridge to connect; the connection's id is the only secret of that socket."""
    answer = _check(
        await _external_media(
            ari,
            call_id,
            external_host="INCOMING",
            encapsulation="none",
            transport="websocket",
            connection_type="server",
            format="slin16",
            transport_data="f(json)",  # never anything else: an unknown word here crashes Asterisk 22.10
        )
    )
    variables = answer.get("channelvars")
    connection = variables.get("MEDIA_WEBSOCKET_CONNECTION_ID") if isinstance(variables, Mapping) else None
    if not isinstance(connection, str) or not connection.replace("-", "").isalnum():
        raise NotJoinedError(BRIDGE_LOST)
    url = ari.login.socket_url(f"/media/{connection}")
    await _open(call_id, WebSocketMedia(url=url, sample_rate=WIDE), begun)


async def _over_audiosocket(ari: Ari, call_id: str, begun: asyncio.Future[bool]) -> None:
    """Asterisk connects to the bridge, which must expect it by then."""
    wide = ari.version.has_wide_audiosocket
    uuid = str(uuid4())
    room = await _open(call_id, AudioSocketMedia(uuid=uuid, sample_rate=WIDE if wide else NARROW), begun)
    _check(
        await _external_media(
            ari,
            call_id,
            external_host=room.audiosocket,
            encapsulation="audiosocket",
            transport="tcp",
            format="slin16" if wide else "slin",
            data=uuid,
        )
    )


async def _open(call_id: str, media: WebSocketMedia | AudioSocketMedia, begun: asyncio.Future[bool]) -> Room:
    """Hand the call to the first bridge that takes it, unless the phone is gone."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + BRIDGE_WITHIN
    while loop.time() < deadline:
        if begun.done():
            raise NotJoinedError(BRIDGE_LOST)
        room = await aside(pick_bridge)
        if room is not None:
            with suppress(BridgeRefusedError):
                await aside(open_session, room=room, call_id=call_id, media=media)
                return room
        await asyncio.sleep(LOOK_AGAIN)
    raise NotJoinedError(NO_BRIDGE)


async def _external_media(ari: Ari, call_id: str, **parameters: str) -> Reply:
    body = {"app": ari.login.app, "channelId": media_id(call_id), **parameters}
    return await ari.ask("POST", "channels/externalMedia", body=body)


def _check(reply: Reply) -> Mapping[str, Any]:
    """The answer's body; ProviderError where Asterisk refused."""
    if reply.status >= 300:
        raise ProviderError(answer=Answer.REFUSED, reason=Reason.PBX_REFUSED, status=reply.status)
    try:
        answer = reply.json() if reply.body else {}
    except ValueError:
        return {}
    return answer if isinstance(answer, Mapping) else {}
