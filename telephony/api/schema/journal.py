"""The journal, described."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema

from aispinner.core.api.openapi import (
    ID,
    JOURNAL,
    NODE_ID,
    NODE_PATH,
    PUBLIC_ID,
    answered,
    describe,
    in_path,
    query,
    refusals,
    words,
)
from integrations.calls import Outcome
from telephony.api import journal as views
from telephony.api.schema.shapes import Call, Journal
from telephony.models import CallStatus

PRINTED_CALL = {
    "id": 12345,
    "call_id": "call_abc",
    "status": "done",
    "subscriber_phone": "+15551234567",
    "duration_sec": 142,
    "summary": "Customer agreed to a callback...",
    "transcript": [
        {"role": "agent", "message": "Hello!", "time_in_call_secs": 0},
        {"role": "user", "message": "Hi.", "time_in_call_secs": 1.2},
    ],
    "created_at": "2026-05-04T10:23:45Z",
    "conversation_id": "conv_xyz",
    "has_audio": True,
    "parent_call_id": "camp_parent_id",
}
PRINTED_CAMPAIGN = {
    "call_id": "camp_parent_id",
    "name": "VIP outreach",
    "status": "completed",
    "numbers_count": 50,
    "child_count": 50,
    "success_count": 38,
    "failed_count": 12,
    "total_duration_sec": 4200,
}
CALL = {
    **PRINTED_CALL,
    "version": 12350,
    "outcome": "answered",
    "reason": None,
    "disposition": "success",
    "direction": "outbound",
    "workspace_id": 1,
    "node_id": "pbx_abc123",
    "phone_node_id": "phone_abc",
    "agent_node_id": "agent_xyz",
    "audio_url": "https://api.aispinner.io/telephony/calls/call_abc/audio?token=…",
    "dispatched_at": "2026-05-04T10:23:46Z",
    "answered_at": "2026-05-04T10:23:52Z",
    "ended_at": "2026-05-04T10:26:14Z",
}
CAMPAIGN = {
    **PRINTED_CAMPAIGN,
    "pending_count": 0,
    "in_flight_count": 0,
    "cancelled_count": 0,
    "wait_reason": None,
    "workspace_id": 1,
    "node_id": "pbx_abc123",
    "created_at": "2026-05-04T10:20:00Z",
    "finished_at": "2026-05-04T10:48:30Z",
    "version": 12350,
}
PAGE = {
    "total": 42,
    "total_duration_sec": 8431,
    "total_capped": False,
    "max_id": 12345,
    "max_version": 12350,
    "has_more": False,
    "calls": [CALL],
    "campaigns": [CAMPAIGN],
}
_MOMENT = {"type": "string", "format": "date-time", "examples": ["2026-05-04", "2026-05-04T10:23:45Z"]}
_CURSORS = (
    "\n\nThree ways to page, of which a request takes one: `before_id` for older pages; `since_id=<max_id>` for calls "
    "that are newer; `since_version=<max_version>` for calls that are newer or have changed. The last two come oldest "
    "first. No record is ever skipped: ids and versions become visible in their order."
)


_FILTERS = [
    words("status", CallStatus.values, "Only calls in one of these states, with commas between: `done,failed`."),
    words("outcome", Outcome.values, "Only calls that ended in one of these ways: `no_answer,busy`."),
    query("date_from", _MOMENT, "A date, or an ISO 8601 date and time; inclusive. Without an offset it is in UTC."),
    query("date_to", _MOMENT, "Likewise; a date includes its whole day."),
    query("parent_call_id", PUBLIC_ID, "Only the calls of this campaign."),
    query("q", {"type": "string", "maxLength": 200}, "Only calls whose number, summary or transcript holds this."),
    query("since_id", ID, "Only calls with a larger id, oldest first."),
    query("since_version", ID, "Only calls that are newer or have changed after this version, oldest change first."),
    query("before_id", ID, "Only calls with a smaller id, newest first."),
    query(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": views.MOST, "default": views.LIMIT},
        "At most so many calls. As CSV all, unless it is sent, and then it may be larger.",
        example=views.LIMIT,
    ),
]
_FORMAT = query(
    "format",
    {"type": "string", "enum": ["json", "csv"], "default": "json"},
    "`csv` (or `Accept: text/csv`): a file of all calls that match, streamed, a row each; no totals, no campaigns.",
)
_FILE = "id,call_id,created_at,…\r\n12345,call_abc,2026-05-04T10:23:45Z,…\r\n"
_JOURNAL: dict[Any, Any] = {
    (200, "application/json"): Journal,
    (200, "text/csv"): OpenApiResponse(
        OpenApiTypes.STR,
        description=(
            "The calls. As CSV (UTF-8, a header with the columns' names, times in UTC) text that a spreadsheet would "
            "run as a formula has an apostrophe in front; numbers stay as they are."
        ),
    ),
    **refusals({404: "You can see no such workspace, node or campaign."}),
}
describe(
    views.JournalView,
    get=extend_schema(
        operation_id="get_journal",
        tags=[JOURNAL],
        summary="All-Nodes Journal",
        description=f"Returns all calls across the user's workspaces, newest first.{_CURSORS}",
        parameters=[
            query("workspace_id", ID, "Only this workspace's calls.", example=1),
            query("node_id", NODE_ID, "Only calls that went through this node."),
            *_FILTERS,
            _FORMAT,
        ],
        responses=_JOURNAL,
        examples=[answered(PAGE), answered(_FILE, "As CSV", media_type="text/csv")],
    ),
)
describe(
    views.NodeJournalView,
    get=extend_schema(
        operation_id="get_node_journal",
        tags=[JOURNAL],
        summary="Per-Node Journal",
        description=(
            "Same shape, scoped to one PBX, phone-number or agent node; for a journal or monitor node, to the nodes "
            f"that it is connected with.{_CURSORS}"
        ),
        parameters=[
            NODE_PATH,
            query("workspace_id", ID, "Left out, your only workspace that holds the node.", example=1),
            *_FILTERS,
            _FORMAT,
        ],
        responses=_JOURNAL,
        examples=[answered(PAGE), answered(_FILE, "As CSV", media_type="text/csv")],
    ),
)
describe(
    views.CallView,
    get=extend_schema(
        operation_id="get_call",
        tags=[JOURNAL],
        summary="Single Call Detail",
        description="Returns one call with full transcript and summary.",
        parameters=[in_path("call_id", PUBLIC_ID, "The call's `call_id` (`call_…`).", example="call_abc")],
        responses={200: Call, **refusals({404: "You can see no such call."})},
        examples=[answered(CALL)],
    ),
)
