"""Endpoints of conversations: list, get, audio, delete, signed URLs and the live count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from . import conversation_shapes as shapes
from .agents_api import PAGING, agent_of
from .api import Call, Endpoint, JsonResponse, cursor_for, position_of
from .checks import Field
from .errors import conversation_not_found, not_found
from .stories import RESULTS
from .world import Conversation, new_id

Json = dict[str, Any]
_STATUSES = ("initiated", "in-progress", "processing", "done", "failed")
Test = Callable[[Conversation, Any], bool]


def _shown(name: str) -> Callable[[Conversation], Any]:
    return lambda item: shapes.summary(item, with_summary=False)[name]


_call_successful, _tool_names = _shown("call_successful"), _shown("tool_names")
_source, _language = _shown("conversation_initiation_source"), _shown("main_language")
_duration = _shown("call_duration_secs")

_TESTS: dict[str, Test] = {
    "agent_id": lambda item, value: item.agent_id == value,
    "user_id": lambda item, value: item.user_id == value,
    "call_start_after_unix": lambda item, value: int(item.started_at) >= value,
    "call_start_before_unix": lambda item, value: int(item.started_at) <= value,
    "call_duration_min_secs": lambda item, value: _duration(item) >= value,
    "call_duration_max_secs": lambda item, value: _duration(item) <= value,
    "exclude_statuses": lambda item, value: item.status not in value,
    "call_successful": lambda item, value: (
        item.error is not None if value == "error" else _call_successful(item) == value
    ),
    "termination_reasons": lambda item, value: item.termination_reason in value,
    "visited_agent_ids": lambda item, value: item.agent_id in value,
    "phone_number_ids": lambda item, value: item.phone.get("phone_number_id") in value,
    "tool_names": lambda item, value: bool(set(value) & set(_tool_names(item))),
    "main_languages": lambda item, value: _language(item) in value,
    "conversation_initiation_source": lambda item, value: _source(item) == value,
    "search": lambda item, value: any(value.lower() in (turn.message or "").lower() for turn in item.turns),
    "text_only": lambda item, value: value is item.text_only,
    "branch_id": lambda _item, _value: False,
    "version_id": lambda _item, _value: False,
    "parent_conversation_id": lambda _item, _value: False,
    "rating_min": lambda _item, _value: False,
    "rating_max": lambda _item, _value: False,
    "has_feedback_comment": lambda _item, value: value is False,
}
_FILTERS: dict[str, Field] = {
    "agent_id": Field(),
    "user_id": Field(),
    "call_start_after_unix": Field("int"),
    "call_start_before_unix": Field("int"),
    "call_duration_min_secs": Field("int"),
    "call_duration_max_secs": Field("int"),
    "exclude_statuses": Field("list", item=Field(choices=_STATUSES)),
    "call_successful": Field(choices=(*RESULTS, "error")),
    "termination_reasons": Field("list"),
    "visited_agent_ids": Field("list", max_items=50),
    "phone_number_ids": Field("list"),
    "tool_names": Field("list"),
    "main_languages": Field("list"),
    "conversation_initiation_source": Field(),
    "search": Field(),
    "text_only": Field("bool"),
    "branch_id": Field(),
    "version_id": Field(),
    "parent_conversation_id": Field(),
    "rating_min": Field("int", minimum=1, maximum=5),
    "rating_max": Field("int", minimum=1, maximum=5),
    "has_feedback_comment": Field("bool"),
}


async def list_conversations(call: Call) -> Response:
    """By start time, newest first unless asked otherwise. The cursor is a place in time: new calls shift nothing."""
    user_id = call.query["user_id"]
    account = call.account
    known = account.conversations_by_user.get(user_id, []) if user_id else list(account.conversations.values())
    newest_first = call.query["sort_direction"] == "desc"
    after = position_of(call.query["cursor"])
    wanted = {name: value for name, value in call.query.items() if name in _TESTS and value not in (None, [])}
    page: list[Conversation] = []
    has_more = False
    for item in reversed(known) if newest_first else known:
        if after is not None and (item.seq >= after if newest_first else item.seq <= after):
            continue
        if not all(_TESTS[name](item, value) for name, value in wanted.items()):
            continue
        if len(page) == call.query["page_size"]:
            has_more = True
            break
        page.append(item)
    with_summary = call.query["summary_mode"] == "include"
    return JsonResponse(
        {
            "conversations": [shapes.summary(item, with_summary=with_summary) for item in page],
            "next_cursor": cursor_for(page[-1].seq) if has_more else None,
            "has_more": has_more,
        }
    )


def _conversation(call: Call) -> Conversation:
    item = call.account.conversations.get(call.path("conversation_id"))
    if item is None:
        raise conversation_not_found(call.path("conversation_id"))
    return item


async def get_conversation(call: Call) -> Response:
    shape = shapes.conversation(_conversation(call))
    return JsonResponse({**shape, "otlp_traces": {}} if call.query["format"] == "opentelemetry" else shape)


async def get_audio(call: Call) -> Response:
    """The MP3, made when first asked for."""
    item = _conversation(call)
    if not item.has_audio:
        message = f"No audio for conversation {item.id}."
        raise not_found("audio_not_found", message, status="missing_conversation_audio")
    return Response(await call.sim.player.recordings.of(item), media_type="audio/mpeg")


async def delete_conversation(call: Call) -> Response:
    item = _conversation(call)
    call.sim.diary.write(("call", item.id, None))
    del call.account.conversations[item.id]
    if item.user_id:
        call.account.conversations_by_user[item.user_id].remove(item)
    return JsonResponse({})


async def signed_url(call: Call) -> Response:
    """A WebSocket address on this host, which opens this agent for 15 minutes."""
    agent_id = agent_of(call, call.query["agent_id"])["agent_id"]
    conversation_id = new_id("conv_") if call.query["include_conversation_id"] else None
    token = call.sim.sockets.sign(account=call.account.name, agent_id=agent_id, conversation_id=conversation_id)
    base = call.request.base_url
    scheme = "wss" if base.scheme == "https" else "ws"
    query = f"agent_id={agent_id}&conversation_signature={token}"
    if conversation_id is not None:
        query += f"&conversation_id={conversation_id}"
    return JsonResponse({"signed_url": f"{scheme}://{base.netloc}/v1/convai/conversation?{query}"})


async def live_count(call: Call) -> Response:
    agents = set(call.query["agent_ids"]) or ({call.query["agent_id"]} if call.query["agent_id"] else None)
    ongoing = [
        item
        for item in call.account.conversations.values()
        if item.status in ("initiated", "in-progress") and (agents is None or item.agent_id in agents)
    ]
    return JsonResponse({"count": len(ongoing)})


_LIST = {
    **_FILTERS,
    **PAGING,
    "summary_mode": Field(nullable=False, default="exclude", choices=("exclude", "include")),
}
_GET = {"format": Field(nullable=False, default="json", choices=("json", "opentelemetry"))}
_SIGNED = {"agent_id": Field(required=True), "include_conversation_id": Field("bool", default=False)}
_CONVERSATIONS = "/v1/convai/conversations"

ENDPOINTS = (
    Endpoint("conversations.list", "GET", _CONVERSATIONS, list_conversations, query=_LIST),
    Endpoint("conversations.get", "GET", _CONVERSATIONS + "/{conversation_id}", get_conversation, query=_GET),
    Endpoint("conversations.audio", "GET", _CONVERSATIONS + "/{conversation_id}/audio", get_audio),
    Endpoint("conversations.delete", "DELETE", _CONVERSATIONS + "/{conversation_id}", delete_conversation),
    Endpoint("conversation.signed_url", "GET", "/v1/convai/conversation/get-signed-url", signed_url, query=_SIGNED),
    Endpoint(
        "conversation.signed_url_deprecated",
        "GET",
        "/v1/convai/conversation/get_signed_url",
        signed_url,
        query=_SIGNED,
    ),
    Endpoint(
        "analytics.live_count",
        "GET",
        "/v1/convai/analytics/live-count",
        live_count,
        query={"agent_id": Field(), "agent_ids": Field("list", max_items=25)},
    ),
)
