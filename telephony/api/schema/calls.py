"""Events and recordings, described."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from aispinner.core.api.openapi import (
    CALLS,
    ID,
    PUBLIC_ID,
    answered,
    answered_header,
    describe,
    in_path,
    query,
    refusals,
)
from telephony.api.audio import AudioView
from telephony.api.calls import LIMIT, MOST, EventsView
from telephony.api.schema.shapes import Events

NO_CALL = "You can see no such call or campaign."
EVENT = {
    "id": 12346,
    "type": "status",
    "call_id": "call_abc",
    "at": "2026-05-04T10:26:07Z",
    "data": {"status": "done", "outcome": "answered"},
}
STREAM = """retry: 2000

id: 12346
event: status
data: {"id":12346,"type":"status","call_id":"call_abc","at":"2026-05-04T10:26:07Z","data":{"status":"done"}}

event: end
data: {}
"""
_HEADER: Final = OpenApiParameter.HEADER


describe(
    EventsView,
    get=extend_schema(
        operation_id="get_events",
        tags=[CALLS],
        summary="Get Call Events (poll/SSE)",
        description=(
            "Returns the event stream for a call (status changes, transcript turns, completion), or for a campaign and "
            "its calls.\n\n"
            "As JSON: poll with `since`. With `Accept: text/event-stream`: server-sent events. Every event has its id, "
            "so that `Last-Event-ID` goes on where a lost connection stopped; a comment every 15 seconds keeps the "
            "connection alive; an `end` event closes it when nothing more will happen, and who comes back after that "
            "is answered 204."
        ),
        parameters=[
            in_path("call_id", PUBLIC_ID, "Of a call (`call_…`) or a campaign (`camp_…`).", example="call_abc"),
            query("since", ID, "Only events after this one."),
            query(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": MOST, "default": LIMIT},
                "At most so many (JSON only).",
            ),
            OpenApiParameter(
                "Last-Event-ID", type=dict(ID), location=_HEADER, description="As `since` (event stream only)."
            ),
        ],
        responses={
            (200, "application/json"): Events,
            (200, "text/event-stream"): OpenApiResponse(OpenApiTypes.STR, description="The events."),
            204: OpenApiResponse(description="Event stream only: nothing more will happen."),
            **refusals({404: NO_CALL}),
        },
        examples=[
            answered(
                {"events": [EVENT], "total": 1, "total_capped": False, "max_id": 12346, "has_more": False}, name="JSON"
            ),
            answered(STREAM, name="Event stream", media_type="text/event-stream"),
        ],
    ),
)


def audio_schema(operation_id: str, summary: str, *, tag: str) -> Any:
    """The description of an address that plays recordings."""
    return extend_schema(
        operation_id=operation_id,
        tags=[tag],
        summary=summary,
        description=(
            "Returns the MP3 recording of a single call. The token may be passed as a query parameter so that this URL "
            "can be embedded in `<audio>` players: a bearer token, or the short-lived single-call token in the "
            "journal's `audio_url`. Parts, HEAD and `If-None-Match` work as players expect."
        ),
        auth=[{"bearer": []}, {"mediaToken": []}],  # type: ignore[list-item]
        parameters=[
            in_path("call_id", PUBLIC_ID, "The call's `call_id` (`call_…`).", example="call_abc"),
            OpenApiParameter("Range", type=str, location=_HEADER, description="Such as `bytes=0-65535`."),
            OpenApiParameter("If-Range", type=str, location=_HEADER, description="The ETag that the range is of."),
            OpenApiParameter("If-None-Match", type=str, location=_HEADER, description="The ETag that is known."),
            answered_header("ETag", "Names the recording, which never changes.", statuses=[200, 206, 304]),
            answered_header("Accept-Ranges", "`bytes`", statuses=[200, 206, 304]),
            answered_header("Content-Range", "Such as `bytes 0-65535/284160`.", statuses=[206, 416]),
        ],
        responses={
            (200, "audio/mpeg"): OpenApiResponse(OpenApiTypes.BINARY, description="The recording."),
            (206, "audio/mpeg"): OpenApiResponse(OpenApiTypes.BINARY, description="The part that was asked for."),
            304: OpenApiResponse(description="It is the one that is known."),
            **refusals(
                {
                    404: "You can see no such call, or it has no recording (yet).",
                    416: "The part that was asked for is not there.",
                    502: "The recording is still at the provider, which did not give it.",
                }
            ),
        },
    )


describe(AudioView, get=audio_schema("get_audio", "Get Call Audio", tag=CALLS))
