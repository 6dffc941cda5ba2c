"""A conversation with an agent over its WebSocket, for asyncio: the twin of `conversation`, with the same protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django.conf import settings
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from integrations.elevenlabs.conversation import MAX_FRAME_BYTES, SILENT, USER_AGENT, check_address, failure
from integrations.elevenlabs.conversation_events import (
    Ended,
    Event,
    Failed,
    Metadata,
    Ping,
    ToolCall,
    Variables,
    begin,
    decode,
    ended,
    pong,
    tool_result,
    user_audio,
)
from integrations.elevenlabs.schemas import unreadable
from integrations.errors import Answer, ProviderError, Reason

NO_TOOLS = "This line has no tools of its own; go on without it."
_CLOSE_SECONDS = 1


class LiveConversation:
    """An open conversation. Pings are answered and tools are refused by the way; every failure is a ProviderError."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._failed: Failed | None = None

    def __repr__(self) -> str:
        return "LiveConversation()"

    async def say(self, sound: bytes) -> None:
        """A piece of the user's voice, in `Metadata.user_audio`; waits while the other side takes nothing."""
        await self._send(user_audio(sound))

    async def next(self) -> Event:
        """The next event that is not a Ping or a ToolCall; Ended, for ever, after a good end."""
        while True:
            try:
                event = decode(await self._connection.recv())
            except ConnectionClosed as closed:
                return self._end(closed)
            if isinstance(event, Ping):
                await self._answer(pong(event.event_id))
            elif isinstance(event, ToolCall):
                await self._answer(tool_result(tool_call_id=event.tool_call_id, result=NO_TOOLS, is_error=True))
            elif isinstance(event, Failed):
                self._failed = event  # the close frame says the rest
            else:
                return event

    async def close(self) -> None:
        """Hang up."""
        with suppress(ConnectionClosed, OSError):
            await self._connection.close()

    async def _send(self, frame: str) -> None:
        try:
            await self._connection.send(frame)
        except ConnectionClosed as closed:
            if isinstance(self._end(closed), Ended):
                return  # whoever listens is told

    async def _answer(self, frame: str) -> None:
        with suppress(ConnectionClosed):  # then reading on tells why
            await self._connection.send(frame)

    def _end(self, closed: ConnectionClosed) -> Ended:
        rcvd = closed.rcvd
        if rcvd is not None and ended(code=rcvd.code, reason=rcvd.reason, failed=self._failed) is None:
            return Ended()
        raise failure(closed, failed=self._failed) from None


async def open_live_conversation(
    *,
    signed_url: str,
    variables: Variables | None = None,
    user_id: str = "",
    override: Mapping[str, Any] | None = None,
    within: float,
) -> tuple[LiveConversation, Metadata]:
    """Connect, begin, and wait up to `within` seconds for the metadata. The caller closes it.

    `signed_url` is a secret and appears in no error and no log. Raises ProviderError.
    """
    check_address(signed_url)
    try:
        async with asyncio.timeout(within):
            connection = await _connect(signed_url)
            conversation = LiveConversation(connection)
            try:
                await conversation._send(begin(variables=variables, user_id=user_id, override=override))
                return conversation, await _metadata(conversation)
            except BaseException:
                await conversation.close()
                raise
    except TimeoutError:
        raise ProviderError(answer=Answer.UNKNOWN, reason=Reason.PROVIDER_DOWN) from None


async def _connect(signed_url: str) -> ClientConnection:
    try:
        return await connect(
            signed_url,
            open_timeout=settings.ELEVENLABS_CONNECT_TIMEOUT * 2,
            close_timeout=_CLOSE_SECONDS,
            max_size=MAX_FRAME_BYTES,
            compression=None,  # sound does not get smaller, and every stream would pay for trying
            user_agent_header=USER_AGENT,
            proxy=None,
            logger=SILENT,
        )
    except (InvalidURI, InvalidHandshake, ConnectionClosed, OSError, TimeoutError) as error:
        raise failure(error) from None


async def _metadata(conversation: LiveConversation) -> Metadata:
    while True:
        event = await conversation.next()
        if isinstance(event, Metadata):
            return event
        if isinstance(event, Ended):
            raise unreadable()
