"""The control API under /_sim: what was dialled, what is up, and orders for things to go wrong."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from integrations.simulating import wav

from .api import JsonResponse, error_response
from .audio import SAMPLE_RATE
from .errors import ApiError, invalid_parameters, not_found
from .faults import FAULTS, parse_rules
from .simulator import Simulator
from .small_talk import FAULTS as VOICE_FAULTS
from .small_talk import VoiceScript
from .stories import OUTCOMES, RESULTS, Script
from .world import Account, Dial

Json = dict[str, Any]
Control = Callable[[Simulator, Request], Awaitable[Any]]

_ABOVE_ZERO = ("words_per_second", "pace", "ping_secs", "receive_timeout_secs")

INDEX: Json = {
    "what": (
        "ElevenLabs simulator: the Agents Platform's HTTP API, played by the clock, its conversation socket, "
        "played in real time, and this control API."
    ),
    "keys": "Any key starting with sk_ is good, except sk_invalid…; sk_acct_<name>_… belongs to account <name>.",
    "control": {
        "GET /_sim/ledger": "?since=<seq>&account=<name>: one entry per dial placed; outcome when it ended",
        "GET /_sim/state": "counts, calls in flight now and at most, limits, per account",
        "GET /_sim/webhooks": "what became of every webhook",
        "GET /_sim/faults": "the rules in force, how often each was met and fired, and all fault names",
        "POST /_sim/faults": {
            "rules": [
                {
                    "fault": "one of `faults` below (required)",
                    "endpoint": (
                        "name or `METHOD /path/{template}`, * allowed (default); for webhooks the payload type; "
                        "conversation.socket is the socket's handshake"
                    ),
                    "when": "before (default) or after the request was carried out",
                    "times": "fire at most so often (default: always)",
                    "probability": "0..1 (default 1), drawn from the seed",
                    "skip": "let that many go by first (default 0)",
                    "seconds": "real seconds for hold, slow and webhook_delayed (default 5)",
                    "retry_after": "adds a Retry-After header (default: none)",
                    "account": "only this account",
                    "key_prefix": "only keys that start so",
                    "number": "dial faults: only this number",
                }
            ]
        },
        "DELETE /_sim/faults": "no more faults",
        "GET /_sim/script": "what is scripted",
        "POST /_sim/script": '{"<number or *>": {outcome, ring_secs, talk_secs, result} or null}; null takes it back',
        "POST /_sim/inbound": "{phone_number_id, from_number, agent_id?, account?, dynamic_variables?}: a call to us",
        "GET /_sim/sockets": "?conversation_id=: the last conversations over the socket, event by event, with times",
        "GET /_sim/sockets/{conversation_id}/heard.wav": "what came from the user, 16 kHz; of the last ten",
        "POST /_sim/sockets": (
            '{"<agent_id or *>": {replies, hears, tones, end_after, think_ms, silence_ms, words_per_second, pace, '
            "ping_secs, receive_timeout_secs, fault} or null}: how the agent behaves there; null takes it back"
        ),
        "POST /_sim/sockets/expire": "15 minutes pass for every signed address",
        "POST /_sim/accounts": '{"<name>": {concurrency?, tier?}}: change an account while it runs',
        "POST /_sim/reset": "{seed?, speed?, concurrency?}: the world starts again",
    },
    "outcomes": list(OUTCOMES),
    "faults": {name: {"scope": scope, "what": what} for name, (scope, what) in FAULTS.items()},
}


async def _body(request: Request) -> Any:
    raw = await request.body()
    try:
        return orjson.loads(raw) if raw else {}
    except orjson.JSONDecodeError as error:
        raise invalid_parameters("The body is not JSON.") from error


async def _object(request: Request) -> Json:
    body = await _body(request)
    if not isinstance(body, dict):
        raise invalid_parameters("The body must be a JSON object.")
    return body


async def index(sim: Simulator, request: Request) -> Json:
    routes = [route for route in request.app.routes if isinstance(route, Route) and route.path.startswith("/v1")]
    endpoints = {route.name: f"{sorted((route.methods or set()) - {'HEAD'})[0]} {route.path}" for route in routes}
    return {**INDEX, "endpoints": endpoints, "seed": sim.world.seed, "speed": sim.world.speed}


async def ledger(sim: Simulator, request: Request) -> Json:
    since, account = request.query_params.get("since", "0"), request.query_params.get("account")
    if not since.isdecimal():
        raise invalid_parameters("since must be a number.")
    entries = [vars(entry) for entry in sim.world.ledger[int(since) :] if account is None or entry.account == account]
    return {"entries": entries, "total": len(sim.world.ledger)}


def _account_state(account: Account) -> Json:
    recipients = Counter(one.status for batch in account.batches.values() for one in batch.recipients)
    return {
        "limit": account.limit,
        "in_flight": account.in_flight,
        "max_in_flight": account.max_in_flight,
        "batches": dict(Counter(batch.status for batch in account.batches.values())),
        "recipients": dict(recipients),
        "conversations": dict(Counter(call.status for call in account.conversations.values())),
    }


async def state(sim: Simulator, _request: Request) -> Json:
    accounts = sim.world.accounts
    return {
        "seed": sim.world.seed,
        "speed": sim.world.speed,
        "limit": sim.world.concurrency,
        "started_at": sim.world.started_at,
        "in_flight": sum(account.in_flight for account in accounts.values()),
        "max_in_flight": max((account.max_in_flight for account in accounts.values()), default=0),
        "placed": len(sim.world.ledger),
        "outcomes": dict(Counter(entry.outcome for entry in sim.world.ledger if entry.outcome)),
        "webhooks": dict(Counter(delivery.state for delivery in sim.notifier.deliveries)),
        "accounts": {name: _account_state(account) for name, account in accounts.items()},
    }


async def webhooks(sim: Simulator, _request: Request) -> Json:
    return {"deliveries": [vars(delivery) for delivery in sim.notifier.deliveries]}


async def get_faults(sim: Simulator, _request: Request) -> Json:
    return {"rules": [vars(rule) for rule in sim.faults.rules], "known": INDEX["faults"]}


async def set_faults(sim: Simulator, request: Request) -> Json:
    sim.faults.replace(parse_rules(await _body(request)))
    return await get_faults(sim, request)


async def clear_faults(sim: Simulator, request: Request) -> Json:
    sim.faults.replace([])
    return await get_faults(sim, request)


def _script(number: str, given: Any) -> Script:
    known = {"outcome", "ring_secs", "talk_secs", "result"}
    if not isinstance(given, dict) or not set(given) <= known:
        raise invalid_parameters(f"Script of {number}: give some of {', '.join(sorted(known))}.")
    if given.get("outcome") not in (None, *OUTCOMES):
        raise invalid_parameters(f"Script of {number}: outcome must be one of {', '.join(OUTCOMES)}.")
    if given.get("result") not in (None, *RESULTS):
        raise invalid_parameters(f"Script of {number}: result must be one of {', '.join(RESULTS)}.")
    for key in ("ring_secs", "talk_secs"):
        value = given.get(key)
        if value is not None and (not isinstance(value, int | float) or isinstance(value, bool) or value < 0):
            raise invalid_parameters(f"Script of {number}: {key} must be a number of simulated seconds.")
    talk = given.get("talk_secs")
    return Script(**{**given, "talk_secs": None if talk is None else int(talk)})


async def get_script(sim: Simulator, _request: Request) -> Json:
    return {"scripts": {number: vars(script) for number, script in sim.world.scripts.items()}}


async def set_script(sim: Simulator, request: Request) -> Json:
    body = await _object(request)
    scripts = {number: _script(number, given) for number, given in body.items() if given is not None}
    for number in body:
        sim.world.scripts.pop(number, None)
    sim.world.scripts.update(scripts)
    sim.diary.write(("orders", "scripts", sim.world.scripts))
    return {"scripted": len(sim.world.scripts)}


async def sockets(sim: Simulator, request: Request) -> Json:
    wanted = request.query_params.get("conversation_id")
    timelines = [one.shown() for one in sim.sockets.timelines if wanted in (None, one.conversation_id)]
    return {"conversations": timelines}


async def heard(sim: Simulator, request: Request) -> Response:
    pcm = sim.sockets.heard(str(request.path_params["conversation_id"]))
    if pcm is None:
        raise not_found("conversation_not_found", "None of the last ten conversations over the socket has that id.")
    return Response(await asyncio.to_thread(wav, pcm, rate=SAMPLE_RATE), media_type="audio/wav")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _voice_script(agent_id: str, given: Any) -> VoiceScript:
    fields = {field.name: field for field in dataclasses.fields(VoiceScript)}
    if not isinstance(given, dict) or not set(given) <= set(fields):
        raise invalid_parameters(f"Socket script of {agent_id}: give some of {', '.join(fields)}.")
    for name, value in given.items():
        if name == "fault":
            fits = value is None or value in VOICE_FAULTS
        elif name in ("replies", "hears"):
            fits = isinstance(value, list) and all(isinstance(line, str) and line for line in value)
        elif name == "tones":
            fits = isinstance(value, list) and all(_is_number(hertz) and hertz > 0 for hertz in value)
        else:
            fits = _is_number(value) and value >= 0 and (name not in _ABOVE_ZERO or value > 0)
            fits = fits or (name == "end_after" and value is None)
        if not fits:
            raise invalid_parameters(f"Socket script of {agent_id}: {name} is of the wrong type or too small.")
    return VoiceScript(**given)


async def set_sockets(sim: Simulator, request: Request) -> Json:
    body = await _object(request)
    scripts = {agent_id: _voice_script(agent_id, given) for agent_id, given in body.items() if given is not None}
    for agent_id in body:
        sim.sockets.scripts.pop(agent_id, None)
    sim.sockets.scripts.update(scripts)
    return {"scripted": len(sim.sockets.scripts)}


async def expire_sockets(sim: Simulator, _request: Request) -> Json:
    return {"expired": sim.sockets.expire()}


async def inbound(sim: Simulator, request: Request) -> Json:
    """Somebody rings one of the account's numbers; its agent answers."""
    body = await _object(request)
    account = sim.world.account(str(body.get("account") or "default"))
    phone = account.phone_numbers.get(str(body.get("phone_number_id")))
    if phone is None:
        raise not_found("phone_number_not_found", "phone_number_id names no number of this account.")
    agent = account.agents.get(str(body.get("agent_id") or phone["agent_id"]))
    if agent is None:
        raise not_found("agent_not_found", "Neither agent_id nor the number's agent is known.")
    conversation = sim.player.dial(
        Dial(
            account=account,
            agent=agent,
            phone=copy.deepcopy(phone),
            number=str(body.get("from_number") or "+15550100199"),
            client_data={"dynamic_variables": body.get("dynamic_variables") or {}},
            requested_at=time.time(),
            direction="inbound",
        )
    )
    return {"conversation_id": conversation.id}


async def accounts(sim: Simulator, request: Request) -> Json:
    body = await _object(request)
    for name, given in body.items():
        limit, tier = given.get("concurrency"), given.get("tier")
        if limit is not None and (not isinstance(limit, int) or limit < 1):
            raise invalid_parameters("concurrency must be at least 1.")
        account = sim.world.account(name)
        account.limit = limit or account.limit
        account.tier = tier or account.tier
    sim.diary.write(("orders", "limits", {name: account.limit for name, account in sim.world.accounts.items()}))
    sim.player.wake()
    return {name: _account_state(sim.world.account(name)) for name in body}


async def reset(sim: Simulator, request: Request) -> Json:
    body = await _object(request)
    if not set(body) <= {"seed", "speed", "concurrency"}:
        raise invalid_parameters("Only seed, speed and concurrency can be given.")
    try:
        kinds: dict[str, type] = {"seed": int, "speed": float, "concurrency": int}
        sim.reset(**{key: kinds[key](value) for key, value in body.items()})
    except (TypeError, ValueError) as error:
        raise invalid_parameters(str(error)) from error
    return {"seed": sim.world.seed, "speed": sim.world.speed, "concurrency": sim.world.concurrency}


_ROUTES: tuple[tuple[str, str, Control], ...] = (
    ("GET", "/_sim/", index),
    ("GET", "/_sim", index),
    ("GET", "/_sim/ledger", ledger),
    ("GET", "/_sim/state", state),
    ("GET", "/_sim/webhooks", webhooks),
    ("GET", "/_sim/faults", get_faults),
    ("POST", "/_sim/faults", set_faults),
    ("DELETE", "/_sim/faults", clear_faults),
    ("GET", "/_sim/script", get_script),
    ("POST", "/_sim/script", set_script),
    ("GET", "/_sim/sockets", sockets),
    ("GET", "/_sim/sockets/{conversation_id}/heard.wav", heard),
    ("POST", "/_sim/sockets", set_sockets),
    ("POST", "/_sim/sockets/expire", expire_sockets),
    ("POST", "/_sim/inbound", inbound),
    ("POST", "/_sim/accounts", accounts),
    ("POST", "/_sim/reset", reset),
)


def control_routes(sim: Simulator) -> list[Route]:
    """Routes of the control API; no key needed, it is bound to loopback by default."""

    def route(method: str, path: str, control: Control) -> Route:
        async def answer(request: Request) -> Response:
            try:
                done = await control(sim, request)
            except ApiError as error:
                return error_response(error, trace="control")
            return done if isinstance(done, Response) else JsonResponse(done)

        return Route(path, answer, methods=[method])

    return [route(*entry) for entry in _ROUTES]
