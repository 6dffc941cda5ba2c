"""Campaigns, described."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers

from aispinner.core.api.openapi import (
    CALLS,
    ID,
    IDEMPOTENCY_KEY,
    IDEMPOTENT_REPLAYED,
    NODE_ID,
    NOT_EDITOR,
    PUBLIC_ID,
    answered,
    describe,
    in_path,
    query,
    refusals,
    sent,
    words,
)
from telephony.api import runs as views
from telephony.api.export import ResultsView
from telephony.api.schema.shapes import Campaign, Campaigns, CancelledCampaign, ResumableCampaigns
from telephony.api.start import MOST_NUMBERS, MOST_VARIABLES, StartView
from telephony.models import Pacing, RunStatus

NO_RUN = "You can see no such campaign."
NO_SCOPE = "You can see no such workspace or node."
RUN_PATH = in_path("call_id", PUBLIC_ID, "The campaign's `call_id` (`camp_…`).", example="camp_abc123")
STARTED = {"call_id": "camp_abc123", "status": "running"}
RUN = {
    "call_id": "camp_abc123",
    "name": "Q2 outbound — VIP list",
    "status": "running",
    "workspace_id": 1,
    "node_id": "pbx_abc123",
    "agent_node_id": "agent_xyz",
    "max_concurrent": 5,
    "pacing": "chunked",
    "voice_stack": "elevenlabs",
    "numbers_count": 50,
    "pending_count": 30,
    "remaining_count": 30,
    "in_flight_count": 5,
    "success_count": 11,
    "failed_count": 4,
    "cancelled_count": 0,
    "child_count": 20,
    "total_duration_sec": 1320,
    "wait_reason": None,
    "next_attempt_at": None,
    "chunks_total": 4,
    "chunks_done": 3,
    "created_at": "2026-05-04T10:20:00Z",
    "started_at": "2026-05-04T10:20:01Z",
    "finished_at": None,
    "pruned_at": None,
    "version": 12410,
}
PAUSED = {**RUN, "status": "paused", "in_flight_count": 0, "success_count": 15, "chunks_done": 4}
CANCELLED = {
    **PAUSED,
    "status": "cancelled",
    "pending_count": 0,
    "remaining_count": 0,
    "cancelled_count": 31,
    "finished_at": "2026-05-04T10:31:07Z",
}


@extend_schema_field(
    {
        "type": ["object", "null"],
        "maxProperties": MOST_VARIABLES,
        "additionalProperties": {"type": ["string", "number", "boolean"]},
    }
)
class RecipientVariables(serializers.JSONField):
    """What the agent should know of one person."""


class Recipient(serializers.Serializer[Any]):
    """A number, and what the agent should know of who answers it."""

    number = serializers.CharField(help_text="E.164.")
    variables = RecipientVariables(required=False, help_text="They reach the agent as dynamic variables.")


class NewCampaign(serializers.Serializer[Any]):
    """What is dialled, from where, by whom."""

    workspace_id = serializers.IntegerField(
        required=False, allow_null=True, help_text="Left out, your only workspace that holds the node."
    )
    node_id = serializers.CharField(max_length=100, help_text="An `ai.pbx` or `ai.phone_number` node.")
    numbers = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        min_length=1,
        max_length=MOST_NUMBERS,
        help_text="E.164. A number twice is dialled once, and reported in `duplicates`.",
    )
    recipients = Recipient(many=True, required=False, help_text="Instead of `numbers`: numbers with variables.")
    agent_node_id = serializers.CharField(
        required=False,
        allow_null=True,
        max_length=100,
        help_text="Left out, the node's connected agent, or the phone provider's.",
    )
    max_concurrent = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=1000, default=5, help_text="Calls at once."
    )
    pacing = serializers.ChoiceField(
        choices=Pacing.choices,
        required=False,
        allow_null=True,
        default=Pacing.CHUNKED.value,
        help_text="`chunked`: the next chunk when one has ended. `continuous`: the next call when a line is free.",
    )
    name = serializers.CharField(required=False, allow_null=True, max_length=200)


class StartedCampaign(serializers.Serializer[Any]):
    """A campaign that has begun."""

    call_id = serializers.CharField(help_text="`camp_…`")
    status = serializers.ChoiceField(choices=RunStatus.choices)
    duplicates = serializers.ListField(
        child=serializers.CharField(), help_text="Numbers that were in the list more than once; each is dialled once."
    )


class CampaignName(serializers.Serializer[Any]):
    """A campaign's new name."""

    name = serializers.CharField(max_length=200)


class Nothing(serializers.Serializer[Any]):
    """No fields; the body may be left out."""


class CancelOptions(serializers.Serializer[Any]):
    """How to cancel."""

    hangup = serializers.BooleanField(required=False, help_text="End live calls too, where the stack can.")


_LIMIT = {"type": "integer", "minimum": 1, "maximum": views.MOST, "default": views.LIMIT}
_PAGE = [
    query("workspace_id", ID, "Only this workspace's; left out, those of all of yours.", example=1),
    query("node_id", NODE_ID, "Only those that ran on this node."),
    query("limit", _LIMIT, "At most so many."),
    query("before", PUBLIC_ID, "For the next page: the last `call_id` of this one."),
]
_CHANGING = {
    403: NOT_EDITOR,
    404: NO_RUN,
    503: "Calls are being submitted at this moment, or the database or broker is away. Try again in a few seconds.",
}
_QUOTA = "The ElevenLabs account has used up its quota, or you send too many requests. Nothing was started."

describe(
    StartView,
    post=extend_schema(
        operation_id="start_campaign",
        tags=[CALLS],
        summary="Start a Dialer Campaign",
        description=(
            "Starts a chunked campaign through the connected ElevenLabs (or Custom Voice) stack. The dialer splits "
            "numbers into chunks of `max_concurrent` and submits each chunk sequentially. Up to 100,000 numbers in a "
            "request."
        ),
        parameters=[IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED],
        request=NewCampaign,
        responses={
            200: StartedCampaign,
            **refusals(
                {
                    403: NOT_EDITOR,
                    404: NO_SCOPE,
                    409: "The node is running a campaign already, or the Idempotency-Key was used with another body.",
                    422: "A number is wrong (each with its place), or agent, phone provider or key are missing.",
                    429: _QUOTA,
                }
            ),
        },
        examples=[
            sent(
                {
                    "workspace_id": 1,
                    "node_id": "pbx_abc123",
                    "numbers": ["+15551234567", "+15557654321"],
                    "agent_node_id": "agent_xyz",
                    "max_concurrent": 5,
                },
                name="Numbers",
            ),
            sent(
                {
                    "node_id": "pbx_abc123",
                    "recipients": [{"number": "+15551234567", "variables": {"name": "Ada"}}],
                    "pacing": "continuous",
                    "name": "Tuesday",
                },
                name="Recipients with variables",
            ),
            answered({**STARTED, "duplicates": []}),
        ],
    ),
)
describe(
    views.ResumableView,
    get=extend_schema(
        operation_id="list_resumable_campaigns",
        tags=[CALLS],
        summary="Get Resumable Campaigns",
        description=(
            "Lists campaigns that were paused and can be resumed. A paused campaign stores its remaining number list; "
            "resuming it picks up where it stopped."
        ),
        parameters=_PAGE,
        responses={200: ResumableCampaigns, **refusals({404: NO_SCOPE})},
        examples=[answered({"runs": [{**PAUSED, "remaining_numbers": ["+15557654321"]}], "total": 1})],
    ),
)
describe(
    views.RunsView,
    get=extend_schema(
        operation_id="list_campaigns",
        tags=[CALLS],
        summary="List Runs (history)",
        description="Your campaigns, newest first.",
        parameters=[*_PAGE, words("status", RunStatus.values, "Only those in one of these states, commas between.")],
        responses={200: Campaigns, **refusals({404: NO_SCOPE})},
        examples=[answered({"runs": [RUN], "total": 1})],
    ),
)
describe(
    views.RunView,
    get=extend_schema(
        operation_id="get_campaign",
        tags=[CALLS],
        summary="Get a Run",
        description="One campaign, with its counts of this moment.",
        parameters=[RUN_PATH],
        responses={200: Campaign, **refusals({404: NO_RUN})},
        examples=[answered(RUN)],
    ),
)
describe(
    ResultsView,
    get=extend_schema(
        operation_id="get_campaign_results",
        tags=[CALLS],
        summary="Results as CSV",
        description=(
            "A row for each number of the campaign, in the order of its list, also for those that were never dialled: "
            "`status` is the number's (`pending`, `in_flight`, `success`, `failed`, `cancelled`), `call_status` that "
            "of its call. UTF-8, with a header; text that a spreadsheet would run as a formula has an apostrophe in "
            "front, numbers stay as they are."
        ),
        parameters=[RUN_PATH, OpenApiParameter("format", exclude=True)],
        responses={
            (200, "text/csv"): OpenApiResponse(OpenApiTypes.STR, description="The file, streamed."),
            **refusals({404: NO_RUN}),
        },
        examples=[answered("position,number,status,…\r\n0,+15551234567,success,…\r\n", media_type="text/csv")],
    ),
)
describe(
    views.NameView,
    patch=extend_schema(
        operation_id="rename_campaign",
        tags=[CALLS],
        summary="Rename a Campaign",
        description="Whatever its state.",
        parameters=[RUN_PATH],
        request=CampaignName,
        responses={200: Campaign, **refusals({403: NOT_EDITOR, 404: NO_RUN})},
        examples=[sent({"name": "Q2 outbound — VIP list"}), answered(RUN)],
    ),
)
describe(
    views.PauseView,
    post=extend_schema(
        operation_id="pause_campaign",
        tags=[CALLS],
        summary="Pause a Campaign",
        description=(
            "From the answer on, nothing more is submitted. What the provider has not dialled is taken back; calls "
            "that are up end by themselves, and the campaign is `pausing` until then."
        ),
        parameters=[RUN_PATH],
        request=Nothing,
        responses={200: Campaign, **refusals({**_CHANGING, 409: "The campaign is not running."})},
        examples=[answered(PAUSED)],
    ),
)
describe(
    views.ResumeView,
    post=extend_schema(
        operation_id="resume_campaign",
        tags=[CALLS],
        summary="Resume a Campaign",
        description="Picks up where it stopped.",
        parameters=[RUN_PATH],
        request=Nothing,
        responses={
            200: Campaign,
            **refusals(
                {
                    403: NOT_EDITOR,
                    404: NO_RUN,
                    409: "The campaign is not paused, its node runs another one, or no working key is left.",
                    429: _QUOTA,
                }
            ),
        },
        examples=[answered(RUN)],
    ),
)
describe(
    views.CancelView,
    post=extend_schema(
        operation_id="cancel_campaign",
        tags=[CALLS],
        summary="Cancel a Campaign",
        description="Nothing more is dialled. Calls that are up end by themselves; `finished_at` is when the last has.",
        parameters=[RUN_PATH],
        request=CancelOptions,
        responses={200: CancelledCampaign, **refusals({**_CHANGING, 409: "The campaign is completed already."})},
        examples=[sent({"hangup": True}), answered(CANCELLED)],
    ),
)
