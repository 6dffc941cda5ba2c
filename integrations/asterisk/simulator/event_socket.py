"""`/ari/events`: events out, and since 20.14 and 22.4 requests in."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import parse_qsl, unquote

import orjson
from starlette.responses import JSONResponse
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from .apps import EventSocket
from .errors import AriError
from .faults import Rule
from .rest import Answer, CrashError, Json, Rest, parse_body

_BAD = (orjson.JSONDecodeError, AttributeError)


def events_route(rest: Rest) -> WebSocketRoute:
    """The socket: 401 for a wrong password, 400 without an application."""

    async def serve(websocket: WebSocket) -> None:
        names = [name for name in websocket.query_params.get("app", "").split(",") if name]
        try:
            authorization = websocket.headers.get("authorization", "")
            user = rest.may(authorization=authorization, api_key=websocket.query_params.get("api_key"))
            _need(names)
        except AriError as error:
            await websocket.send_denial_response(_denial(error))
            return
        await websocket.accept()
        socket = EventSocket()
        for name in names:
            rest.pbx.apps.attach(name, socket)
        await _Session(rest, websocket, socket, app=names[0], user=user).run()

    return WebSocketRoute("/ari/events", serve)


def _need(names: list[str]) -> None:
    if not names:
        raise AriError(400, "HTTP request is missing param: [app]")


def _denial(error: AriError) -> JSONResponse:
    return JSONResponse(error.body, status_code=error.status)


class _Session:
    """One socket, as long as it is open."""

    def __init__(self, rest: Rest, websocket: WebSocket, socket: EventSocket, *, app: str, user: str) -> None:
        self.rest, self.websocket, self.socket = rest, websocket, socket
        self.app, self.user = app, user

    async def run(self) -> None:
        reader = asyncio.create_task(self._read())
        try:
            with suppress(WebSocketDisconnect, RuntimeError):
                while (message := await self.socket.outgoing.get()) is not None:
                    await self.websocket.send_text(message.decode())
                await self.websocket.close(1001)
        finally:
            self.rest.pbx.apps.detach(self.socket)
            reader.cancel()

    async def _read(self) -> None:
        while True:
            message = await self.websocket.receive()
            if message["type"] == "websocket.disconnect":
                self.rest.pbx.apps.detach(self.socket)
                self.socket.close()
                return
            if message.get("text") and self.rest.pbx.config.can.rest_over_websocket and not self.socket.muted:
                self.rest.pbx.spawn(self._request(message["text"]))

    async def _request(self, text: str) -> None:
        request: Json = {}
        try:
            request = orjson.loads(text)
            answer, rule = await self._ask(request)
        except AriError as error:
            answer, rule = Answer(error.body, error.status, error.reason), None
        except _BAD:
            answer, rule = Answer(None, 400, "Failed to parse request message JSON"), None
        except CrashError:
            self.rest.pbx.restart()
            return
        if rule is not None and rule.fault == "hold":
            return
        if rule is not None and rule.fault == "cut_off":
            self.rest.pbx.apps.detach(self.socket)
            self.socket.close()
            return
        self.socket.send(_response(self.app, request, answer))

    async def _ask(self, request: Json) -> tuple[Answer, Rule | None]:
        if request.get("type") != "RESTRequest":
            raise AriError(400, "Unknown request type.", reason="Bad request")
        path, _, query = str(request.get("uri") or "").partition("?")
        if not path:
            raise AriError(400, "Empty or missing 'uri' property.", reason="Bad request")
        raw = str(request.get("message_body") or "").encode()
        if raw and not request.get("content_type"):
            raise AriError(400, "No 'content_type' for 'message_body'.", reason="Bad request")
        try:
            body, form = parse_body(raw, str(request.get("content_type") or ""))
        except AriError as error:
            message = "Unable to parse 'message_body' as 'application/json'."
            raise AriError(400, message, reason="Bad request") from error
        listed = {str(one["name"]): str(one["value"]) for one in request.get("query_strings") or []}
        return await self.rest.answer(
            method=str(request.get("method") or "").upper(),
            path="/" + unquote(path).lstrip("/"),
            query={**listed, **dict(parse_qsl(query, keep_blank_values=True)), **form},
            body=body,
            user=self.user,
        )


def _response(app: str, request: Json, answer: Answer) -> Json:
    if answer.binary is not None:
        answer = Answer(None, 406, "Not Acceptable.  Use HTTP GET")
    body = {} if answer.body is None else {"message_body": orjson.dumps(answer.body).decode()}
    return {
        "type": "RESTResponse",
        "transaction_id": str(request.get("transaction_id") or ""),
        "request_id": str(request.get("request_id") or ""),
        "status_code": answer.code,
        "reason_phrase": answer.phrase,
        "uri": str(request.get("uri") or "").partition("?")[0],
        **({"content_type": "application/json"} if body else {}),
        **body,
        "application": app,
    }
