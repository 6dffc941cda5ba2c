"""Endpoints that place calls: batch calling and single outbound calls."""

from __future__ import annotations

import copy
import time
from typing import Any

from starlette.responses import Response

from . import shapes
from .agents_api import agent_of, phone_number_of
from .api import Call, Endpoint, JsonResponse
from .checks import Field
from .errors import batch_not_found, concurrent_limit, invalid_parameters
from .world import Batch, Dial, Recipient, new_id

Json = dict[str, Any]
_TELEPHONY_DEFAULTS: Json = {"ringing_timeout_secs": 60, "twilio_call_recording_enabled": False}


def _batch(call: Call) -> Batch:
    batch = call.account.batches.get(call.path("batch_id"))
    if batch is None:
        raise batch_not_found(call.path("batch_id"))
    return batch


def _telephony_config(body: Json) -> Json:
    return {**_TELEPHONY_DEFAULTS, **(body.get("telephony_call_config") or {})}


def _recipients(body: Json, now: float) -> list[Recipient]:
    """The recipients of a submit; the client's own ids are kept."""
    if not body["recipients"]:
        raise invalid_parameters("A batch needs at least one recipient.", param="recipients")
    if any(not one.get("phone_number") for one in body["recipients"]):
        raise invalid_parameters("Every recipient needs a phone_number.", param="recipients")
    return [
        Recipient(
            id=one.get("id") or new_id("rcp_"),
            number=one["phone_number"],
            client_data=one.get("conversation_initiation_client_data"),
            created_at=now,
            updated_at=now,
            place=place,
        )
        for place, one in enumerate(body["recipients"])
    ]


async def submit_batch(call: Call) -> Response:
    body, now = call.body, time.time()
    agent = agent_of(call, body["agent_id"])
    if not body.get("agent_phone_number_id"):
        raise invalid_parameters("agent_phone_number_id is required.", param="agent_phone_number_id")
    phone = phone_number_of(call, body["agent_phone_number_id"])
    kept = {key: value for key, value in body.items() if key != "recipients"}
    batch = Batch(
        id=new_id("btcal_"),
        body={**kept, "telephony_call_config": _telephony_config(body)},
        agent_name=agent["name"],
        phone=copy.deepcopy(phone),
        created_at=now,
        updated_at=now,
        scheduled_at=float(body.get("scheduled_time_unix") or now),
        target_limit=body.get("target_concurrency_limit"),
        recipients=_recipients(body, now),
    )
    call.sim.player.submit(call.account, batch)
    return JsonResponse(shapes.batch(batch))


async def list_batches(call: Call) -> Response:
    """Newest first; `last_doc` is the id that the page before ended with."""
    newest_first = list(reversed(call.account.batches.values()))
    if call.query["agent_id"]:
        newest_first = [batch for batch in newest_first if batch.body["agent_id"] == call.query["agent_id"]]
    start = 0
    if call.query["last_doc"]:
        ids = [batch.id for batch in newest_first]
        if call.query["last_doc"] not in ids:
            raise invalid_parameters("last_doc is not a batch of this workspace.", param="last_doc")
        start = ids.index(call.query["last_doc"]) + 1
    page = newest_first[start : start + call.query["limit"]]
    has_more = start + len(page) < len(newest_first)
    following = page[-1].id if has_more else None
    items = [shapes.batch(batch) for batch in page]
    return JsonResponse({"batch_calls": items, "next_doc": following, "has_more": has_more})


async def get_batch(call: Call) -> Response:
    return JsonResponse(shapes.batch_detail(_batch(call)))


async def cancel_batch(call: Call) -> Response:
    batch = _batch(call)
    call.sim.player.cancel(batch)
    return JsonResponse(shapes.batch(batch))


async def retry_batch(call: Call) -> Response:
    batch = _batch(call)
    call.sim.player.retry(call.account, batch)
    return JsonResponse(shapes.batch(batch))


async def delete_batch(call: Call) -> Response:
    """Conversations are kept; what was not dispatched is not dialled any more."""
    batch = _batch(call)
    call.sim.player.delete(call.account, batch)
    return Response(status_code=204)


def _outbound(call: Call, provider: str) -> Dial:
    """What a single call is made of; refused with 429 where no line is free: single calls are never queued."""
    body = call.body
    agent = agent_of(call, body["agent_id"])
    phone = phone_number_of(call, body["agent_phone_number_id"])
    if phone["provider"] != provider:
        raise invalid_parameters(f"This phone number is not of provider {provider}.", param="agent_phone_number_id")
    limit = agent["platform_settings"]["call_limits"]["agent_concurrency_limit"]
    if call.account.in_flight >= call.account.limit:
        raise concurrent_limit(call.account.limit)
    if 0 < limit <= call.account.agent_in_flight.get(body["agent_id"], 0):
        raise concurrent_limit(limit)
    return Dial(
        account=call.account,
        agent=agent,
        phone=copy.deepcopy(phone),
        number=body["to_number"],
        client_data=body.get("conversation_initiation_client_data") or {},
        requested_at=time.time(),
        ringing_timeout=_telephony_config(body)["ringing_timeout_secs"],
    )


def _refused(sid_key: str) -> Response:
    message = "The call could not be started."
    return JsonResponse({"success": False, "message": message, "conversation_id": None, sid_key: None})


async def twilio_outbound_call(call: Call) -> Response:
    """A refusal by Twilio is a 200 without an id, although a `failed` conversation is on record."""
    dial = _outbound(call, "twilio")
    if call.fault is not None and call.fault.fault == "call_refused":
        return _refused("callSid")
    conversation = call.sim.player.dial(dial)
    if conversation.story.outcome == "failed" and conversation.ledger is not None:
        return _refused("callSid")
    answer = {"success": True, "message": "Success", "conversation_id": conversation.id}
    return JsonResponse({**answer, "callSid": conversation.call_sid})


async def sip_outbound_call(call: Call) -> Response:
    """`sip_call_id` equals the conversation's phone_call.call_sid, not its call_id."""
    dial = _outbound(call, "sip_trunk")
    if call.fault is not None and call.fault.fault == "call_refused":
        return _refused("sip_call_id")
    conversation = call.sim.player.dial(dial)
    answer = {"success": True, "message": "Success", "conversation_id": conversation.id}
    return JsonResponse({**answer, "sip_call_id": conversation.call_sid})


_CLIENT_DATA = Field(
    "object",
    fields={
        "conversation_config_override": Field("object", nullable=False),
        "custom_llm_extra_body": Field("object", nullable=False),
        "user_id": Field(),
        "dynamic_variables": Field("object", nullable=False),
    },
)
_TELEPHONY = Field(
    "object",
    nullable=False,
    fields={
        "ringing_timeout_secs": Field("int", nullable=False, minimum=1, maximum=999),
        "twilio_call_recording_enabled": Field("bool", nullable=False),
    },
)
_SUBMIT = {
    "call_name": Field(required=True),
    "agent_id": Field(required=True),
    "recipients": Field(
        "list",
        required=True,
        max_items=10_000,
        item=Field(
            "object",
            fields={
                "id": Field(),
                "phone_number": Field(),
                "whatsapp_user_id": Field(),
                "conversation_initiation_client_data": _CLIENT_DATA,
            },
        ),
    ),
    "agent_phone_number_id": Field(),
    "scheduled_time_unix": Field("int"),
    "timezone": Field(),
    "branch_id": Field(),
    "environment": Field(),
    "telephony_call_config": _TELEPHONY,
    "target_concurrency_limit": Field("int", minimum=1),
    "whatsapp_params": Field("object"),
}
_OUTBOUND = {
    "agent_id": Field(required=True),
    "agent_phone_number_id": Field(required=True),
    "to_number": Field(required=True),
    "conversation_initiation_client_data": _CLIENT_DATA,
    "telephony_call_config": _TELEPHONY,
}
_LIST = {
    "limit": Field("int", nullable=False, default=100, minimum=1),
    "last_doc": Field(),
    "agent_id": Field(),
}
_BATCHES = "/v1/convai/batch-calling"

ENDPOINTS = (
    Endpoint(
        "batch_calling.submit",
        "POST",
        f"{_BATCHES}/submit",
        submit_batch,
        body=_SUBMIT,
        notes=lambda body: str(body["call_name"]),
    ),
    Endpoint("batch_calling.list", "GET", f"{_BATCHES}/workspace", list_batches, query=_LIST),
    Endpoint("batch_calling.get", "GET", _BATCHES + "/{batch_id}", get_batch),
    Endpoint("batch_calling.cancel", "POST", _BATCHES + "/{batch_id}/cancel", cancel_batch),
    Endpoint("batch_calling.retry", "POST", _BATCHES + "/{batch_id}/retry", retry_batch),
    Endpoint("batch_calling.delete", "DELETE", _BATCHES + "/{batch_id}", delete_batch),
    Endpoint(
        "twilio.outbound_call",
        "POST",
        "/v1/convai/twilio/outbound-call",
        twilio_outbound_call,
        body={**_OUTBOUND, "call_recording_enabled": Field("bool")},
    ),
    Endpoint(
        "sip_trunk.outbound_call", "POST", "/v1/convai/sip-trunk/outbound-call", sip_outbound_call, body=_OUTBOUND
    ),
)
