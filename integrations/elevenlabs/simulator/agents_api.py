"""Endpoints of agents and phone numbers."""

from __future__ import annotations

import time
from typing import Any

from starlette.responses import Response

from . import shapes
from .agent_defaults import build_agent, merged
from .api import Call, Endpoint, JsonResponse, cursor_for, position_of
from .checks import Field, Fields
from .errors import agent_not_found, invalid_parameters, phone_number_not_found
from .world import new_id

Json = dict[str, Any]


def agent_of(call: Call, agent_id: str) -> Json:
    """The account's agent of that id; 404 where there is none."""
    document = call.account.agents.get(agent_id)
    if document is None:
        raise agent_not_found(agent_id)
    return document


def phone_number_of(call: Call, phone_number_id: str) -> Json:
    """The account's number of that id; 404 where there is none."""
    number = call.account.phone_numbers.get(phone_number_id)
    if number is None:
        raise phone_number_not_found(phone_number_id)
    return number


def _page(items: list[Json], call: Call) -> tuple[list[Json], str | None]:
    """One page of `items` by `page_size` and `cursor`, and the cursor of the next, None at the end."""
    start = position_of(call.query["cursor"]) or 0
    end = start + call.query["page_size"]
    return items[start:end], cursor_for(end) if end < len(items) else None


async def list_agents(call: Call) -> Response:
    search = (call.query["search"] or "").lower()
    archived = call.query["archived"]
    tags = set(call.query["tags"])
    found = [
        shapes.agent_summary(call.account, document)
        for document in call.account.agents.values()
        if search in document["name"].lower()
        and (archived is None or document["platform_settings"]["archived"] == archived)
        and (not tags or tags & set(document["tags"]))
    ]
    if call.query["sort_by"] == "name":
        found.sort(key=lambda item: str(item["name"]))
    elif call.query["sort_by"] == "updated_at":
        found.sort(key=lambda item: int(item["updated_at_unix_secs"]))
    if call.query["sort_direction"] == "desc":
        found.reverse()
    page, following = _page(found, call)
    return JsonResponse({"agents": page, "next_cursor": following, "has_more": following is not None})


async def create_agent(call: Call) -> Response:
    agent_id = new_id("agent_")
    call.account.agents[agent_id] = build_agent(agent_id, call.body, now=int(time.time()))
    call.sim.changed()
    return JsonResponse({"agent_id": agent_id})


async def get_agent(call: Call) -> Response:
    return JsonResponse(shapes.agent(call.account, agent_of(call, call.path("agent_id"))))


async def update_agent(call: Call) -> Response:
    """Partial configs are laid over what is there; calls that are up keep the agent that they began with."""
    document = agent_of(call, call.path("agent_id"))
    allowed = ("conversation_config", "platform_settings", "workflow", "name", "tags")
    change = {key: value for key, value in call.body.items() if key in allowed and value is not None}
    change["metadata"] = {"updated_at_unix_secs": int(time.time())}
    document = merged(document, change)
    call.account.agents[document["agent_id"]] = document
    call.sim.changed()
    call.sim.player.wake()
    return JsonResponse(shapes.agent(call.account, document))


async def delete_agent(call: Call) -> Response:
    agent_of(call, call.path("agent_id"))
    del call.account.agents[call.path("agent_id")]
    for number in call.account.phone_numbers.values():
        if number["agent_id"] == call.path("agent_id"):
            number["agent_id"] = None
    call.sim.changed()
    call.sim.player.wake()
    return Response(status_code=204)


def _numbers(call: Call) -> list[Json]:
    return [
        shapes.phone_number(call.account, number)
        for number in call.account.phone_numbers.values()
        if call.query["provider"] in (None, number["provider"])
        and call.query["agent_id"] in (None, number["agent_id"])
        and call.query["branch_id"] is None
    ]


async def list_phone_numbers(call: Call) -> Response:
    """A bare array, without paging."""
    return JsonResponse(_numbers(call))


async def list_phone_numbers_v2(call: Call) -> Response:
    search = (call.query["search"] or "").lower()
    found = [
        number
        for number in _numbers(call)
        if search in number["label"].lower() + number["phone_number"]
        and call.query["label"] in (None, number["label"])
        and call.query["phone_number"] in (None, number["phone_number"])
    ]
    found.sort(key=lambda item: str(item[call.query["sort_by"]]), reverse=call.query["sort_direction"] == "desc")
    page, following = _page(found, call)
    return JsonResponse({"phone_numbers": page, "next_cursor": following, "has_more": following is not None})


def _outbound_trunk(config: Json | None, before: Json | None = None) -> Json | None:
    """How an outbound trunk is shown; a password left out of an update stays what it was, and is never shown."""
    if config is None:
        return before
    credentials = config.get("credentials")
    return {
        "address": config["address"],
        "transport": config.get("transport") or "auto",
        "media_encryption": config.get("media_encryption") or "allowed",
        "headers": config.get("headers") or {},
        "attributes_to_headers": config.get("attributes_to_headers") or {},
        "has_auth_credentials": credentials is not None,
        "username": credentials["username"] if credentials else None,
        "has_outbound_trunk": True,
        "enabled_codecs": config.get("enabled_codecs") or ["G722/8000", "PCMU/8000", "PCMA/8000"],
    }


def _inbound_trunk(config: Json | None, before: Json | None = None) -> Json | None:
    if config is None:
        return before
    credentials = config.get("credentials")
    return {
        "allowed_addresses": config.get("allowed_addresses") or ["0.0.0.0/0"],
        "allowed_numbers": config.get("allowed_numbers"),
        "media_encryption": config.get("media_encryption") or "allowed",
        "has_auth_credentials": credentials is not None,
        "username": credentials["username"] if credentials else None,
        "remote_domains": config.get("remote_domains"),
        "attributes_to_headers": config.get("attributes_to_headers") or {},
    }


def _provider_of(body: Json) -> str:
    return str(body.get("provider") or ("twilio" if "sid" in body else "sip_trunk"))


async def create_phone_number(call: Call) -> Response:
    body, provider = call.body, _provider_of(call.body)
    if any(number["phone_number"] == body["phone_number"] for number in call.account.phone_numbers.values()):
        raise invalid_parameters("This phone number has already been imported.", param="phone_number")
    if body.get("agent_id"):
        agent_of(call, body["agent_id"])
    number: Json = {
        "phone_number_id": new_id("phnum_"),
        "provider": provider,
        "phone_number": body["phone_number"],
        "label": body["label"],
        "agent_id": body.get("agent_id"),
        "supports_inbound": body.get("supports_inbound", True),
        "supports_outbound": body.get("supports_outbound", True),
    }
    if provider == "sip_trunk":
        number["livekit_stack"] = call.account.settings["default_livekit_stack"]
        number["store_sip_messages"] = True
        number["outbound_trunk"] = _outbound_trunk(body.get("outbound_trunk_config"))
        number["inbound_trunk"] = _inbound_trunk(body.get("inbound_trunk_config"))
    call.account.phone_numbers[number["phone_number_id"]] = number
    call.sim.changed()
    return JsonResponse({"phone_number_id": number["phone_number_id"]})


async def get_phone_number(call: Call) -> Response:
    return JsonResponse(shapes.phone_number(call.account, phone_number_of(call, call.path("phone_number_id"))))


async def update_phone_number(call: Call) -> Response:
    number, body = phone_number_of(call, call.path("phone_number_id")), call.body
    if body.get("agent_id"):
        agent_of(call, body["agent_id"])
    if "agent_id" in body:
        number["agent_id"] = body["agent_id"]
    if body.get("label") is not None:
        number["label"] = body["label"]
    if number["provider"] == "sip_trunk":
        number["outbound_trunk"] = _outbound_trunk(body.get("outbound_trunk_config"), number["outbound_trunk"])
        number["inbound_trunk"] = _inbound_trunk(body.get("inbound_trunk_config"), number["inbound_trunk"])
        for key in ("livekit_stack", "store_sip_messages"):
            if body.get(key) is not None:
                number[key] = body[key]
    call.sim.changed()
    return JsonResponse(shapes.phone_number(call.account, number))


async def delete_phone_number(call: Call) -> Response:
    phone_number_of(call, call.path("phone_number_id"))
    del call.account.phone_numbers[call.path("phone_number_id")]
    call.sim.changed()
    return JsonResponse({})


_CREDENTIALS = Field("object", fields={"username": Field(required=True), "password": Field()})
_ENCRYPTION = Field(nullable=False, choices=("disabled", "allowed", "required"))
_OUTBOUND = Field(
    "object",
    fields={
        "address": Field(required=True),
        "transport": Field(nullable=False, choices=("auto", "udp", "tcp", "tls")),
        "media_encryption": _ENCRYPTION,
        "headers": Field("object", nullable=False),
        "credentials": _CREDENTIALS,
    },
)
_INBOUND = Field(
    "object",
    fields={
        "allowed_addresses": Field("list", item=Field()),
        "allowed_numbers": Field("list", item=Field()),
        "media_encryption": _ENCRYPTION,
        "credentials": _CREDENTIALS,
    },
)
_NUMBER = {"phone_number": Field(required=True), "label": Field(required=True), "agent_id": Field()}


def _create_number_fields(body: Json) -> Fields:
    provider = {"provider": Field(choices=("twilio", "sip_trunk"))}
    if _provider_of(body) == "twilio":
        return {**_NUMBER, **provider, "sid": Field(required=True), "token": Field(required=True)}
    return {**_NUMBER, **provider, "outbound_trunk_config": _OUTBOUND, "inbound_trunk_config": _INBOUND}


_UPDATE_NUMBER = {
    "agent_id": Field(),
    "label": Field(),
    "outbound_trunk_config": _OUTBOUND,
    "inbound_trunk_config": _INBOUND,
    "livekit_stack": Field(choices=("standard", "static")),
    "store_sip_messages": Field("bool"),
}
_AGENT = {
    "conversation_config": Field("object", required=True),
    "platform_settings": Field("object"),
    "workflow": Field("object"),
    "name": Field(),
    "tags": Field("list", item=Field()),
}
PAGING = {
    "page_size": Field("int", nullable=False, default=30, minimum=1, maximum=100),
    "cursor": Field(),
    "sort_direction": Field(nullable=False, default="desc", choices=("asc", "desc")),
}
_LIST_AGENTS = {
    **PAGING,
    "search": Field(),
    "archived": Field("bool", default=False),
    "tags": Field("list"),
    "sort_by": Field(choices=("name", "created_at", "call_count_7d", "updated_at")),
}
_LIST_NUMBERS = {
    "provider": Field(choices=("twilio", "sip_trunk", "exotel")),
    "agent_id": Field(),
    "branch_id": Field(),
}
_LIST_NUMBERS_V2 = {
    **PAGING,
    **_LIST_NUMBERS,
    "search": Field(),
    "label": Field(),
    "phone_number": Field(),
    "sort_by": Field(nullable=False, default="label", choices=("label", "phone_number")),
}
_AGENT_PATH = "/v1/convai/agents/{agent_id}"
_NUMBER_PATH = "/v1/convai/phone-numbers/{phone_number_id}"

ENDPOINTS = (
    Endpoint("agents.list", "GET", "/v1/convai/agents", list_agents, query=_LIST_AGENTS),
    Endpoint("agents.create", "POST", "/v1/convai/agents/create", create_agent, body=_AGENT),
    Endpoint("agents.get", "GET", _AGENT_PATH, get_agent),
    Endpoint(
        "agents.update",
        "PATCH",
        _AGENT_PATH,
        update_agent,
        body={**_AGENT, "conversation_config": Field("object")},
    ),
    Endpoint("agents.delete", "DELETE", _AGENT_PATH, delete_agent),
    Endpoint("phone_numbers.list", "GET", "/v1/convai/phone-numbers", list_phone_numbers, query=_LIST_NUMBERS),
    Endpoint(
        "phone_numbers.list_v2",
        "GET",
        "/v1/convai/v2/phone-numbers",
        list_phone_numbers_v2,
        query=_LIST_NUMBERS_V2,
    ),
    Endpoint(
        "phone_numbers.create",
        "POST",
        "/v1/convai/phone-numbers",
        create_phone_number,
        body=_create_number_fields,
    ),
    Endpoint("phone_numbers.get", "GET", _NUMBER_PATH, get_phone_number),
    Endpoint("phone_numbers.update", "PATCH", _NUMBER_PATH, update_phone_number, body=_UPDATE_NUMBER),
    Endpoint("phone_numbers.delete", "DELETE", _NUMBER_PATH, delete_phone_number),
)
