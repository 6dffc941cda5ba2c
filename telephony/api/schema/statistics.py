"""Statistics, described."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field, inline_serializer
from rest_framework import serializers

from aispinner.core.api.openapi import ID, JOURNAL, PUBLIC_ID, answered, describe, query, refusals
from integrations.calls import Outcome
from telephony.api import statistics as views
from telephony.models import CallStatus

_MOMENT = {"type": "string", "format": "date-time", "examples": ["2026-05-04", "2026-05-04T10:23:45Z"]}


def _counts(names: list[str]) -> Any:
    """A whole number for each of `names`."""
    properties = {name: {"type": "integer", "minimum": 0} for name in names}

    class Counts(serializers.DictField):  # one of its own: what is said of a class is said of all its fields
        pass

    return extend_schema_field({"type": "object", "properties": properties, "required": names})(Counts)


class Statistics(serializers.Serializer[Any]):
    """What came of calls. `total` is the sum of `by_status`; of `by_outcome` and `open`; and of `over_time`."""

    date_from = serializers.DateTimeField()
    date_to = serializers.DateTimeField()
    time_zone = serializers.CharField()
    step = serializers.ChoiceField(choices=("hour", "day"), help_text="What `over_time` goes by: days past three days.")
    total = serializers.IntegerField()
    total_duration_sec = serializers.IntegerField()
    open = serializers.IntegerField(help_text="Calls that have not ended.")
    by_status = _counts(CallStatus.values)()
    by_outcome = _counts(Outcome.values)()
    over_time = inline_serializer(
        "Step",
        {
            "start": serializers.DateTimeField(help_text="With the offset of the time zone asked for."),
            "open": serializers.IntegerField(help_text="Calls that have not ended."),
            **{name: serializers.IntegerField() for name in Outcome.values},
        },
        many=True,
    )
    durations = inline_serializer(
        "Durations",
        {
            "from_sec": serializers.IntegerField(),
            "to_sec": serializers.IntegerField(allow_null=True, help_text="Not included; the last has no end."),
            "calls": serializers.IntegerField(help_text="Conversations (`done`) that took as long."),
        },
        many=True,
    )
    by_hour = inline_serializer(
        "HourOfDay",
        {
            "hour": serializers.IntegerField(min_value=0, max_value=23),
            "ended": serializers.IntegerField(help_text="Calls that are `done` or `failed`."),
            "picked_up": serializers.IntegerField(help_text="Those that are `done`, voicemail included."),
        },
        many=True,
    )


_OUTCOMES = {**dict.fromkeys(Outcome.values, 0), "answered": 30, "voicemail": 8, "no_answer": 10, "busy": 2}
STATISTICS = {
    "date_from": "2026-05-04T09:30:00Z",
    "date_to": "2026-05-04T10:30:00Z",
    "time_zone": "Europe/Berlin",
    "step": "hour",
    "total": 52,
    "total_duration_sec": 4200,
    "open": 2,
    "by_status": {**dict.fromkeys(CallStatus.values, 0), "in_progress": 2, "done": 38, "failed": 12},
    "by_outcome": _OUTCOMES,
    "over_time": [
        {"start": "2026-05-04T11:00:00+02:00", "open": 0, **dict.fromkeys(Outcome.values, 0)},
        {"start": "2026-05-04T12:00:00+02:00", "open": 2, **_OUTCOMES},
    ],
    "durations": [{"from_sec": 60, "to_sec": 120, "calls": 38}],
    "by_hour": [{"hour": 12, "ended": 50, "picked_up": 38}],
}
describe(
    views.StatisticsView,
    get=extend_schema(
        operation_id="get_statistics",
        tags=[JOURNAL],
        summary="Statistics",
        description=(
            "What came of the calls that began within a time, counted from the journal: over time by outcome, by "
            "length, and by hour of the day. Without dates: the last 24 hours, or a campaign's own time."
        ),
        parameters=[
            query("workspace_id", ID, "Left out, the campaign's, else that of your oldest membership.", example=1),
            query("parent_call_id", PUBLIC_ID, "Only the calls of this campaign."),
            query("date_from", _MOMENT, "A date, or an ISO 8601 date and time; inclusive."),
            query("date_to", _MOMENT, "Likewise; a date includes its whole day. At most 366 days after `date_from`."),
            query(
                "time_zone", {"type": "string", "maxLength": 200}, "Whose hours and days: `Europe/Berlin`; else UTC."
            ),
        ],
        responses={200: Statistics, **refusals({404: "You can see no such workspace or campaign."})},
        examples=[answered(STATISTICS)],
    ),
)
