"""`/v1/convai/conversation`: who may come in, and the first frame."""

from __future__ import annotations

import asyncio

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from .api import JsonResponse, error_response
from .conversation_frames import Ending, Gone, Json, Wire
from .conversation_session import Session, live_call
from .simulator import Simulator
from .sockets import Timeline
from .world import Account, new_id

PATH = "/v1/convai/conversation"
NAME = "conversation.socket"
_SOURCES = frozenset(
    f"{name}_sdk" for name in ("android", "node_js", "react_native", "react", "js", "python", "swift", "flutter")
) | {"widget", "template_preview"}


def conversation_route(sim: Simulator) -> WebSocketRoute:
    """The socket; fault rules know it as `conversation.socket`."""

    async def answer(websocket: WebSocket) -> None:
        if not await _struck(sim, websocket):
            await _converse(sim, websocket)

    return WebSocketRoute(PATH, answer, name=NAME)


async def _struck(sim: Simulator, websocket: WebSocket) -> bool:
    """Whether a fault rule took this handshake; `slow` and `hold` only make it late."""
    rule = sim.faults.for_request(endpoint=NAME, route=f"GET {PATH}", account="", key="")
    if rule is None:
        return False
    if rule.fault in ("slow", "hold"):
        await asyncio.sleep(rule.seconds)
    error = rule.error(limit=sim.world.concurrency)
    if error is not None:
        await websocket.send_denial_response(error_response(error, trace="socket"))
    elif rule.fault == "hold":
        await websocket.send_denial_response(JsonResponse({"detail": "Error"}, status_code=500))
    return error is not None or rule.fault == "hold"


async def _converse(sim: Simulator, websocket: WebSocket) -> None:
    offered = websocket.scope.get("subprotocols") or []
    await websocket.accept(subprotocol="convai" if "convai" in offered else None)
    wire = Wire(websocket)
    try:
        account, agent, conversation_id = _let_in(sim, websocket)
        timeline = Timeline(account=account.name, agent_id=agent["agent_id"], conversation_id=conversation_id)
        sim.sockets.timelines.append(timeline)
        client_data = await _first_frame(sim, wire, agent_id=agent["agent_id"])
        call = live_call(sim.world, agent, conversation_id=conversation_id, client_data=client_data)
        call.source = _source(websocket, client_data)
        call.authorization = "signed_url" if "conversation_signature" in websocket.query_params else "public"
        await Session(sim=sim, account=account, call=call, wire=wire, timeline=timeline).run()
    except Ending as ending:
        await wire.end(ending)
    except Gone:
        return


def _let_in(sim: Simulator, websocket: WebSocket) -> tuple[Account, Json, str]:
    """The account, the agent and the conversation's id; Ending 1008 where the address does not open this agent."""
    query = websocket.query_params
    agent_id, token = query.get("agent_id", ""), query.get("conversation_signature")
    if token is not None:
        signature = sim.sockets.redeem(token, agent_id=agent_id)
        agent = sim.world.account(signature.account).agents.get(agent_id) if signature else None
        if signature is None or agent is None:
            raise Ending(1008, "The signed URL is not valid or has expired.", error_type="http_exception")
        return sim.world.account(signature.account), agent, signature.conversation_id or new_id("conv_")
    sim.world.account("default")
    for account in sim.world.accounts.values():
        agent = account.agents.get(agent_id)
        if agent is not None and agent["platform_settings"]["auth"]["enable_auth"]:
            raise Ending(1008, "This agent requires authorization.", error_type="http_exception")
        if agent is not None:
            return account, agent, new_id("conv_")
    raise Ending(1008, "The AI agent you are trying to reach does not exist.", error_type="http_exception")


async def _first_frame(sim: Simulator, wire: Wire, *, agent_id: str) -> Json:
    """conversation_initiation_client_data, which must come first."""
    try:
        async with asyncio.timeout(sim.sockets.script(agent_id).receive_timeout_secs):
            kind, frame = await wire.receive()
    except TimeoutError:
        raise Ending(1002, "No message received.", error_type="transport_receive_timeout") from None
    if kind != "conversation_initiation_client_data":
        message = "Invalid message: conversation_initiation_client_data must come first"
        raise Ending(1008, message, error_type="invalid_message")
    data = {name: value for name, value in frame.items() if name != "type"}
    override = dict(data.get("conversation_config_override") or {})
    if "text_only" in override:  # where the Python SDK puts it
        override["conversation"] = {**(override.get("conversation") or {}), "text_only": override.pop("text_only")}
    data["conversation_config_override"] = override
    return data


def _source(websocket: WebSocket, client_data: Json) -> str:
    """Which SDK this is, by its own account; the provider has no word for a bare socket but `unknown`."""
    info = client_data.get("source_info") or {}
    source = info.get("source") or websocket.query_params.get("source")
    return source if source in _SOURCES else "unknown"
