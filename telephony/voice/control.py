"""A bridge's control API, for the web process and the PBX's listener: calls in, calls ended. On a private address."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from integrations.calls import Phase
from telephony.voice.bridges import opens_control
from telephony.voice.house import FullError, House
from telephony.voice.legs.audio_socket import KIND_OF_RATE, AudioSocketLeg, AudioSocketServer
from telephony.voice.legs.base import Leg
from telephony.voice.legs.media_socket import MediaSocketLeg
from telephony.voice.legs.webrtc import BadOfferError, WebRTCLeg

LARGEST_BODY = 256 * 1024


class RefusedError(Exception):
    """Answered as `{"reason": …}`."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class Control:
    """The routes of one house."""

    def __init__(
        self, house: House, *, audio_sockets: AudioSocketServer, ice_servers: Sequence[Mapping[str, Any]]
    ) -> None:
        self._house, self._audio_sockets, self._ice_servers = house, audio_sockets, ice_servers

    def application(self) -> Starlette:
        """For uvicorn."""
        return Starlette(
            routes=[
                Route("/healthz", self._health),
                Route("/sessions/phone", self._guarded(self._phone), methods=["POST"]),
                Route("/sessions/web", self._guarded(self._web), methods=["POST"]),
                Route("/sessions/{call_id}/end", self._guarded(self._end), methods=["POST"]),
            ]
        )

    async def _health(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _phone(self, _request: Request, body: Mapping[str, Any]) -> dict[str, Any]:
        call_id = _text(body, "call_id")
        self._house.check_room(call_id)
        self._house.take(call_id, self._phone_leg(body.get("media")), phase=Phase.IN_PROGRESS)
        return {"call_id": call_id}

    def _phone_leg(self, media: Any) -> Leg:
        rate = media.get("sample_rate") if isinstance(media, dict) else None
        if not isinstance(media, dict) or not isinstance(rate, int) or rate not in KIND_OF_RATE:
            raise RefusedError(422, "bad_media")
        if media.get("kind") == "audiosocket":
            try:
                uuid = UUID(_text(media, "uuid"))
            except ValueError:
                raise RefusedError(422, "bad_media") from None
            return AudioSocketLeg(server=self._audio_sockets, uuid=uuid, rate=rate)
        return MediaSocketLeg(
            url=_text(media, "url"),
            username=_text(media, "username"),
            password=_text(media, "password"),
            rate=rate,
        )

    async def _web(self, _request: Request, body: Mapping[str, Any]) -> dict[str, Any]:
        call_id = _text(body, "call_id")
        self._house.check_room(call_id)
        leg = WebRTCLeg(ice_servers=self._ice_servers)
        try:
            answer = await leg.answer(_text(body, "sdp"))
            self._house.take(call_id, leg, phase=Phase.DISPATCHED)
        except (BadOfferError, FullError) as error:
            await leg.close()
            raise RefusedError(422, "bad_sdp") if isinstance(error, BadOfferError) else error from None
        return {"call_id": call_id, "sdp": answer}

    async def _end(self, request: Request, body: Mapping[str, Any]) -> dict[str, Any]:
        if not self._house.end(request.path_params["call_id"], _text(body, "reason")):
            raise RefusedError(404, "unknown")
        return {}

    def _guarded(
        self, handler: Callable[[Request, Mapping[str, Any]], Awaitable[dict[str, Any]]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """`handler`, for those who know the secret and send a JSON object."""

        async def endpoint(request: Request) -> Response:
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            if not opens_control(token, bridge_id=self._house.bridge_id):
                return JSONResponse({"reason": "unauthorized"}, status_code=401)
            try:
                return JSONResponse(await handler(request, _object(await request.body())))
            except RefusedError as refused:
                return JSONResponse({"reason": refused.reason}, status_code=refused.status)
            except FullError as full:
                return JSONResponse({"reason": full.reason}, status_code=503)

        return endpoint


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        data = orjson.loads(body) if len(body) <= LARGEST_BODY else None
    except orjson.JSONDecodeError:
        data = None
    if not isinstance(data, dict):
        raise RefusedError(422, "bad_body")
    return data


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str):
        raise RefusedError(422, f"bad_{name}")
    return value
