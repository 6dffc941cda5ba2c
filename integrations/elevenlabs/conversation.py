"""A conversation with an agent over its WebSocket, for code that may wait: opened, spoken to, listened to, closed."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.sync.client import ClientConnection, connect

from integrations.elevenlabs.conversation_events import (
    Ended,
    Event,
    Failed,
    Metadata,
    Ping,
    Variables,
    begin,
    decode,
    ended,
    pong,
)
from integrations.elevenlabs.errors import provider_error
from integrations.elevenlabs.schemas import unreadable
from integrations.errors import Answer, ProviderError, Reason
from integrations.http import Reply, Request, not_done

USER_AGENT = "aispinner-telephony"
MAX_FRAME_BYTES = 4 * 1024 * 1024
_CLOSE_SECONDS = 1
# The library writes the address down, which is a secret: whoever holds it may speak as us.
SILENT = logging.Logger("websockets", level=logging.CRITICAL + 1)  # noqa: LOG001 - one that no configuration reaches


class Conversation:
    """An open conversation. Pings are answered by the way; every failure is a ProviderError."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._failed: Failed | None = None

    def __repr__(self) -> str:
        return "Conversation()"

    def send(self, frame: str) -> None:
        """Send a frame made by `conversation_events`."""
        try:
            self._connection.send(frame)
        except ConnectionClosed as closed:
            self._read_what_is_left()
            raise failure(closed, failed=self._failed) from None
        except OSError:
            raise _lost() from None

    def receive(self, *, within: float) -> Event | None:
        """The next event that is not a Ping; None where none came in `within` seconds. Ended at a good end."""
        deadline = time.monotonic() + within
        while (left := deadline - time.monotonic()) > 0:
            try:
                event = decode(self._connection.recv(timeout=left))
            except TimeoutError:
                return None
            except ConnectionClosed as closed:
                return _good_end(closed, self._failed)
            except OSError:
                raise _lost() from None
            if isinstance(event, Ping):
                with suppress(ConnectionClosed, OSError):  # then reading on tells why
                    self._connection.send(pong(event.event_id))
                continue
            if isinstance(event, Failed):
                self._failed = event  # the close frame says the rest
                continue
            return event
        return None

    def _read_what_is_left(self) -> None:
        """An error event that arrived before the connection closed says more than the close frame."""
        with suppress(ConnectionClosed, OSError, TimeoutError, ProviderError):
            while True:
                event = decode(self._connection.recv(timeout=0))
                self._failed = event if isinstance(event, Failed) else self._failed


@contextmanager
def open_conversation(
    *, signed_url: str, variables: Variables | None = None, override: Mapping[str, Any] | None = None, within: float
) -> Iterator[tuple[Conversation, Metadata]]:
    """Connect, begin, and wait up to `within` seconds for the metadata; hangs up at the end.

    `signed_url` is a secret and appears in no error and no log. Raises ProviderError.
    """
    deadline = time.monotonic() + within
    with ExitStack() as hang_up:
        conversation = Conversation(_connect(signed_url, within=within, hang_up=hang_up))
        conversation.send(begin(variables=variables, override=override))
        yield conversation, _metadata(conversation, deadline)


def failure(error: Exception, *, failed: Failed | None = None) -> ProviderError:
    """What an exception of the websockets library means, in connecting or later; the same for its asyncio client."""
    if isinstance(error, ConnectionClosed):
        if error.rcvd is None:
            return _lost()
        return ended(code=error.rcvd.code, reason=error.rcvd.reason, failed=failed) or _lost()
    if isinstance(error, InvalidStatus):
        answer = error.response
        request = Request(method="GET", base_url="", path="/v1/convai/conversation", headers={})
        headers = dict(answer.headers.raw_items())
        return provider_error(
            request, Reply(status=answer.status_code, headers=headers, body=bytes(answer.body or b""))
        )
    if isinstance(error, InvalidURI):
        return unreadable()
    return not_done()


def check_address(signed_url: str) -> None:
    """ProviderError where this is no address to speak to an agent at; unencrypted only where the API is, too."""
    parts = urlsplit(signed_url)
    plain_too = urlsplit(settings.ELEVENLABS_BASE_URL).scheme == "http"
    if not parts.hostname or parts.scheme not in ({"ws", "wss"} if plain_too else {"wss"}):
        raise unreadable()


def _connect(signed_url: str, *, within: float, hang_up: ExitStack) -> ClientConnection:
    check_address(signed_url)
    try:
        connection = connect(
            signed_url,
            open_timeout=min(within, settings.ELEVENLABS_CONNECT_TIMEOUT * 2),
            close_timeout=_CLOSE_SECONDS,
            max_size=MAX_FRAME_BYTES,
            user_agent_header=USER_AGENT,
            proxy=None,
            logger=SILENT,
        )
    except (InvalidURI, InvalidHandshake, ConnectionClosed, OSError, TimeoutError) as error:
        raise failure(error) from None
    return hang_up.enter_context(connection)


def _metadata(conversation: Conversation, deadline: float) -> Metadata:
    while (left := deadline - time.monotonic()) > 0:
        event = conversation.receive(within=left)
        if isinstance(event, Metadata):
            return event
        if isinstance(event, Ended):
            raise unreadable()
    raise ProviderError(answer=Answer.UNKNOWN, reason=Reason.PROVIDER_DOWN)


def _good_end(closed: ConnectionClosed, failed: Failed | None) -> Ended:
    if closed.rcvd is not None and ended(code=closed.rcvd.code, reason=closed.rcvd.reason, failed=failed) is None:
        return Ended()
    raise failure(closed, failed=failed) from None


def _lost() -> ProviderError:
    return ProviderError(answer=Answer.UNKNOWN, reason=Reason.PROVIDER_DOWN)
