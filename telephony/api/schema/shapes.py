"""How campaigns, calls and events look, for the description; `telephony.api.shapes` makes them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from integrations.calls import Direction, Disposition, Outcome, VoiceStack
from telephony.models import CallStatus, Pacing, RunStatus


class Campaign(serializers.Serializer[Any]):
    """A campaign. `pending + in_flight + success + failed + cancelled = numbers_count`, in every answer."""

    call_id = serializers.CharField(help_text="`camp_…`: opaque, sorts by time.")
    name = serializers.CharField()
    status = serializers.ChoiceField(
        choices=RunStatus.choices, help_text="A campaign never fails: what stops it pauses it, with `wait_reason`."
    )
    workspace_id = serializers.IntegerField()
    node_id = serializers.CharField(help_text="The PBX or phone-number node that it runs on.")
    agent_node_id = serializers.CharField(help_text="Whose agent talks.")
    max_concurrent = serializers.IntegerField()
    pacing = serializers.ChoiceField(choices=Pacing.choices)
    voice_stack = serializers.ChoiceField(choices=VoiceStack.choices)
    numbers_count = serializers.IntegerField()
    pending_count = serializers.IntegerField(help_text="Still to be dialled.")
    remaining_count = serializers.IntegerField(help_text="The same as `pending_count`.")
    in_flight_count = serializers.IntegerField(help_text="Being called.")
    success_count = serializers.IntegerField(help_text="Reached: their call is `done`.")
    failed_count = serializers.IntegerField(help_text="Not reached: their call is `failed`.")
    cancelled_count = serializers.IntegerField(help_text="Not dialled, as the campaign was cancelled.")
    child_count = serializers.IntegerField(help_text="Calls; the other counts are of numbers.")
    total_duration_sec = serializers.IntegerField()
    wait_reason = serializers.CharField(
        allow_null=True,
        help_text=(
            "Why nothing moves: `rate_limited`, `no_capacity`, `provider_down`, `quota_exhausted`, `key_refused`, "
            "`agent_missing`, `number_missing`, `pbx_down`, `trunk_refused`, `calls_blocked` and others."
        ),
    )
    next_attempt_at = serializers.DateTimeField(allow_null=True, help_text="Nothing is submitted before.")
    chunks_total = serializers.IntegerField()
    chunks_done = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True, help_text="When its last call had ended.")
    pruned_at = serializers.DateTimeField(
        allow_null=True, help_text="When its calls and numbers were deleted for their age. Its counts stay."
    )
    version = serializers.IntegerField(help_text="Grows with every change, in one order with calls and events.")


class CancelledCampaign(Campaign):
    """A campaign that was just cancelled."""

    detail = serializers.CharField(required=False, help_text="What becomes of the calls that are up.")


class ResumableCampaign(Campaign):
    """A paused campaign, with what is left of its list."""

    remaining_numbers = serializers.ListField(child=serializers.CharField(), help_text="In their order.")


class Campaigns(serializers.Serializer[Any]):
    """A page of campaigns."""

    runs = Campaign(many=True)
    total = serializers.IntegerField(help_text="Over all pages.")


class ResumableCampaigns(serializers.Serializer[Any]):
    """A page of paused campaigns."""

    runs = ResumableCampaign(many=True)
    total = serializers.IntegerField(help_text="Over all pages.")


class Turn(serializers.Serializer[Any]):
    """One turn of a conversation."""

    role = serializers.CharField(help_text="`agent` or `user`.")
    message = serializers.CharField()
    time_in_call_secs = serializers.FloatField(help_text="Since the answer.")


class Call(serializers.Serializer[Any]):
    """A call. Status and outcome never change once it has ended; transcript, summary and audio may come later."""

    id = serializers.IntegerField(help_text="Its place in the journal.")
    call_id = serializers.CharField(help_text="`call_…`: opaque, sorts by time.")
    status = serializers.ChoiceField(choices=CallStatus.choices)
    subscriber_phone = serializers.CharField(help_text="E.164; as the provider wrote it where somebody called in.")
    duration_sec = serializers.IntegerField()
    summary = serializers.CharField()
    transcript = Turn(many=True)
    created_at = serializers.DateTimeField()
    conversation_id = serializers.CharField(allow_null=True, help_text="The provider's own id.")
    has_audio = serializers.BooleanField()
    parent_call_id = serializers.CharField(allow_null=True, help_text="The campaign's `call_id`.")
    version = serializers.IntegerField(help_text="Grows with every change.")
    outcome = serializers.ChoiceField(choices=Outcome.choices, allow_null=True, help_text="How it ended.")
    reason = serializers.CharField(allow_null=True)
    disposition = serializers.ChoiceField(
        choices=Disposition.choices, allow_null=True, help_text="The agent's own judgement of the conversation."
    )
    direction = serializers.ChoiceField(choices=Direction.choices)
    workspace_id = serializers.IntegerField()
    node_id = serializers.CharField(allow_null=True, help_text="The PBX it went through, else the phone number.")
    phone_node_id = serializers.CharField(allow_null=True)
    agent_node_id = serializers.CharField(allow_null=True)
    audio_url = serializers.CharField(
        allow_null=True, help_text="Plays this recording for an hour, without other credentials."
    )
    dispatched_at = serializers.DateTimeField(allow_null=True)
    answered_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)


class JournalCampaign(serializers.Serializer[Any]):
    """A campaign beside a page of the journal."""

    call_id = serializers.CharField()
    name = serializers.CharField()
    status = serializers.ChoiceField(choices=RunStatus.choices)
    numbers_count = serializers.IntegerField()
    child_count = serializers.IntegerField()
    success_count = serializers.IntegerField()
    failed_count = serializers.IntegerField()
    total_duration_sec = serializers.IntegerField()
    pending_count = serializers.IntegerField()
    in_flight_count = serializers.IntegerField()
    cancelled_count = serializers.IntegerField()
    wait_reason = serializers.CharField(allow_null=True)
    workspace_id = serializers.IntegerField()
    node_id = serializers.CharField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    version = serializers.IntegerField()


class Journal(serializers.Serializer[Any]):
    """A page of the journal."""

    total = serializers.IntegerField(help_text="Of all calls that match, not of the page.")
    total_duration_sec = serializers.IntegerField(help_text="Likewise.")
    total_capped = serializers.BooleanField(help_text="Counted up to 10,000 only (with `q`, and part days).")
    max_id = serializers.IntegerField(help_text="Send it as `since_id` next.")
    max_version = serializers.IntegerField(help_text="Send it as `since_version` next.")
    has_more = serializers.BooleanField(help_text="The page was cut at `limit`: ask again at once.")
    calls = Call(many=True)
    campaigns = JournalCampaign(
        many=True,
        help_text=(
            "The campaigns of the calls listed, and every unfinished one in scope; with a cursor also every campaign "
            "that has changed after it."
        ),
    )


class Event(serializers.Serializer[Any]):
    """Something that happened."""

    id = serializers.IntegerField(help_text="Send the last one as `since`, or as `Last-Event-ID`.")
    type = serializers.CharField(
        help_text=(
            "Of calls: `status`, `conversation`, `transcript`, `summary`, `disposition`, `duration`, `audio`, "
            "`settled`, `transcript.pruned`, `audio.pruned`. "
            "Of campaigns: `run.created`, `run.started`, `run.renamed`, `run.pausing`, `run.paused`, "
            "`run.resumed`, `run.completed`, `run.cancelled`, `run.pruned`."
        )
    )
    call_id = serializers.CharField(allow_null=True, help_text="The call's, or the campaign's own.")
    at = serializers.DateTimeField()
    data = serializers.DictField()  # type: ignore[assignment]  # a field, not the serializer's own


class Events(serializers.Serializer[Any]):
    """A page of events, oldest first."""

    events = Event(many=True)
    total = serializers.IntegerField()
    total_capped = serializers.BooleanField(help_text="Counted up to 10,000 only.")
    max_id = serializers.IntegerField(help_text="Send it as `since` next.")
    has_more = serializers.BooleanField(help_text="The page was cut at `limit`: ask again at once.")
