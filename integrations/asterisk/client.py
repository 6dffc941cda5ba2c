"""ARI for asyncio: the event socket, and requests over it (Asterisk ≥ 20.14, 22.4) or, where it takes none, over HTTP.

A request's answer is a `Reply` whatever its status; where none came, ProviderError says whether it may have arrived.
"""

from __future__ import annotations

import asyncio
import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from integrations import http
from integrations.asterisk.events import Replaced, Told, decode
from integrations.elevenlabs.conversation import SILENT
from integrations.errors import Answer, ProviderError, Reason

CONNECT_WITHIN = 5.0  # seconds
ANSWER_WITHIN = 10.0
PING_EVERY = 5.0  # so that a half-open connection is noticed
MAX_MESSAGE = 8 * 1024 * 1024  # a list of a thousand channels
_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")
_REST_SINCE = {20: 14, 21: 9, 22: 4}  # REST over the event socket, by branch
_WEBSOCKET_MEDIA_SINCE = {22: 9}  # without noise, with control messages in JSON
_TECH_MEDIA_SINCE = {20: 17, 22: 7, 23: 1}  # AudioSocket beyond 8 kHz


@dataclass(frozen=True, kw_only=True)
class Login:
    """Where Asterisk's HTTP server is, and as whom we come. `url` as http(s)://host:port, without credentials."""

    url: str
    app: str
    username: str
    password: str = field(repr=False)

    def headers(self) -> Mapping[str, str]:
        """HTTP Basic: in a header, never in an address, which gets written down."""
        pair = b64encode(f"{self.username}:{self.password}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}

    def socket_url(self, path: str, query: Mapping[str, str] | None = None) -> str:
        """The address of a socket of the same server."""
        parts = urlsplit(self.url)
        scheme = "wss" if parts.scheme == "https" else "ws"
        return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/") + path, urlencode(query or {}), ""))


@dataclass(frozen=True)
class Version:
    """Asterisk's version, and what it can. One we cannot read (a build of somebody's own) is taken for old."""

    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", self.text[:40])

    @property
    def has_rest_over_socket(self) -> bool:
        return self._since(_REST_SINCE)

    @property
    def has_websocket_media(self) -> bool:
        return self._since(_WEBSOCKET_MEDIA_SINCE, later={23: 3})

    @property
    def has_wide_audiosocket(self) -> bool:
        return self._since(_TECH_MEDIA_SINCE)

    def _since(self, branches: Mapping[int, int], later: Mapping[int, int] | None = None) -> bool:
        found = _VERSION.search(self.text)
        if found is None:
            return False
        branch, minor = int(found[1]), int(found[2])
        known = {**branches, **(later or {})}
        return minor >= known[branch] if branch in known else branch > max(known)


class Ari:
    """One connection to one PBX: `events()` tells until it breaks, `ask` sends a request and waits for its answer."""

    def __init__(self, *, login: Login, socket: ClientConnection, version: Version) -> None:
        self.login, self.version = login, version
        self._socket = socket
        self._asked: dict[str, asyncio.Future[http.Reply]] = {}
        self._ids = count(1)

    def __repr__(self) -> str:
        return f"Ari({self.version.text})"

    async def events(self) -> AsyncIterator[Told]:
        """Events as they come, and by the way the answers to `ask`; ends when the connection does, or we are deaf."""
        try:
            async for frame in self._socket:
                message = _read(frame)
                if message.get("type") == "RESTResponse":
                    self._answered(message)
                elif (event := decode(message)) is not None:
                    yield event
                    if isinstance(event, Replaced):
                        return
        except ConnectionClosed:
            return
        finally:
            for waiting in self._asked.values():
                if not waiting.done():
                    waiting.set_exception(_unknown())
                    waiting.exception()  # whoever waited may be gone, too
            self._asked.clear()

    async def ask(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> http.Reply:
        """Send one request, `path` without leading slash. ProviderError where no answer came: UNKNOWN if it may have
        arrived, NOT_DONE if surely not."""
        if self.version.has_rest_over_socket:
            return await self._ask_over_socket(method, path, query=query, body=body)
        return await ask_over_http(self.login, method, path, query=query, body=body)

    async def _ask_over_socket(
        self, method: str, path: str, *, query: Mapping[str, str] | None, body: Mapping[str, Any] | None
    ) -> http.Reply:
        request_id = f"r{next(self._ids)}"
        message: dict[str, Any] = {
            "type": "RESTRequest",
            "transaction_id": request_id,
            "request_id": request_id,
            "method": method,
            "uri": f"{quote(path)}?{urlencode(query)}" if query else quote(path),
        }
        if body is not None:
            message |= {"content_type": "application/json", "message_body": json.dumps(body)}
        answer: asyncio.Future[http.Reply] = asyncio.get_running_loop().create_future()
        self._asked[request_id] = answer
        try:
            await self._socket.send(json.dumps(message))
            async with asyncio.timeout(ANSWER_WITHIN):  # wait_for of Python 3.11 loses a cancellation as it is answered
                return await answer
        except ConnectionClosed:
            raise _unknown() from None  # a part of it may have left
        except TimeoutError:
            raise _unknown() from None
        finally:
            self._asked.pop(request_id, None)

    def _answered(self, message: Mapping[str, Any]) -> None:
        waiting = self._asked.get(str(message.get("request_id")))
        status, body = message.get("status_code"), message.get("message_body")
        if waiting is None or waiting.done() or not isinstance(status, int):
            return
        waiting.set_result(http.Reply(status=status, headers={}, body=body.encode() if isinstance(body, str) else b""))


async def ask_over_http(
    login: Login,
    method: str,
    path: str,
    *,
    query: Mapping[str, str] | None = None,
    body: Mapping[str, Any] | None = None,
) -> http.Reply:
    """The same request over HTTP, in a thread. ProviderError as `integrations.http.send`."""
    request = http.Request(
        method=method,
        base_url=login.url.rstrip("/") + "/ari/",
        path=quote(path),
        headers=login.headers(),
        params=query,
        body=body,
    )
    return await asyncio.to_thread(http.send, request)


@asynccontextmanager
async def open_ari(login: Login) -> AsyncIterator[Ari]:
    """Ask for the version, then connect the event socket (of our own channels only).

    ProviderError: REFUSED pbx_refused where the credentials are, NOT_DONE pbx_down where nobody answers.
    """
    version = await _version(login)
    url = login.socket_url("/ari/events", {"app": login.app, "subscribeAll": "false"})
    try:
        socket = await connect(
            url,
            additional_headers=login.headers(),
            open_timeout=CONNECT_WITHIN,
            close_timeout=1,
            ping_interval=PING_EVERY,
            ping_timeout=2 * PING_EVERY,
            max_size=MAX_MESSAGE,
            max_queue=None,  # a slow reader makes Asterisk hang up on us
            proxy=None,
            compression=None,
            logger=SILENT,
        )
    except InvalidStatus as refused:
        raise _refused(refused.response.status_code) from None
    except (InvalidURI, InvalidHandshake, ConnectionClosed, OSError, TimeoutError):
        raise down() from None
    try:
        yield Ari(login=login, socket=socket, version=version)
    finally:
        with suppress(ConnectionClosed, OSError):
            await socket.close()


async def _version(login: Login) -> Version:
    try:
        reply = await ask_over_http(login, "GET", "asterisk/info", query={"only": "system"})
        answer = reply.json() if reply.status == 200 else None
    except (ProviderError, ValueError):
        raise down() from None
    if reply.status != 200:
        raise _refused(reply.status)
    system = answer.get("system") if isinstance(answer, Mapping) else None
    return Version(str(system.get("version", "")) if isinstance(system, Mapping) else "")


def down() -> ProviderError:
    """The PBX does not answer; nothing has happened there."""
    return ProviderError(answer=Answer.NOT_DONE, reason=Reason.PBX_DOWN)


def _unknown() -> ProviderError:
    return ProviderError(answer=Answer.UNKNOWN, reason=Reason.PBX_DOWN)


def _refused(status: int) -> ProviderError:
    if status in {401, 403}:
        return ProviderError(answer=Answer.REFUSED, reason=Reason.PBX_REFUSED, status=status)
    return ProviderError(answer=Answer.NOT_DONE, reason=Reason.PBX_DOWN, status=status)


def _read(frame: str | bytes) -> Mapping[str, Any]:
    try:
        message = json.loads(frame)
    except ValueError:
        return {}
    return message if isinstance(message, Mapping) else {}
