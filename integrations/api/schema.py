"""Keys and phone numbers, described for `/api/schema`: importing this annotates their views."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers

from aispinner.core.api.openapi import (
    ELEVENLABS,
    NO_WORKSPACE,
    NOT_OWNER,
    WORKSPACE_QUERY,
    answered,
    describe,
    refusals,
    sent,
)
from integrations.api.keys import KeysView
from integrations.api.phone_numbers import PhoneNumbersView
from integrations.models import Carrier, KeyStatus
from integrations.post_call_webhook import WebhookState

UNREACHABLE = "ElevenLabs cannot be reached, or failed. Its own words are never passed on."
NO_CREDITS = "The ElevenLabs account has used up its credits, or you send too many requests."
KEY = {
    "id": 3,
    "workspace_id": 1,
    "title": "My ElevenLabs",
    "last4": "cdef",
    "status": "working",
    "account_id": 2,
    "tier": "pro",
    "concurrency_limit": 20,
    "checked_at": "2026-05-04T10:00:00Z",
    "created_at": "2026-05-04T10:00:00Z",
}
WEBHOOK = {"status": "registered", "detail": "ElevenLabs reports the end of each call here."}
PHONE_NUMBER = {
    "phone_number_id": "phnum_3701",
    "phone_number": "+15551234567",
    "label": "Main number",
    "provider": "twilio",
    "agent": {"elevenlabs_agent_id": "agent_xyz", "name": "Clinic assistant"},
    "account_id": 2,
    "key_id": 3,
}


class Key(serializers.Serializer[Any]):
    """An ElevenLabs API key."""

    id = serializers.IntegerField()
    workspace_id = serializers.IntegerField()
    title = serializers.CharField()
    last4 = serializers.CharField(help_text="The last 4 characters: all of the key that is ever shown.")
    status = serializers.ChoiceField(choices=KeyStatus.choices)
    account_id = serializers.IntegerField(help_text="Keys of the same ElevenLabs account share its lines.")
    tier = serializers.CharField(help_text="The account's subscription; empty where ElevenLabs does not tell it.")
    concurrency_limit = serializers.IntegerField(help_text="Calls at once, over all keys and campaigns of the account.")
    checked_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class WebhookResult(serializers.Serializer[Any]):
    """How the ends of calls become known."""

    status = serializers.ChoiceField(choices=[state.value for state in WebhookState])
    detail = serializers.CharField()


class AddedKey(Key):
    """An ElevenLabs API key that was just added."""

    webhook = WebhookResult(help_text="Whether ElevenLabs posts results here; where it does not, they are polled.")


class Keys(serializers.Serializer[Any]):
    """A workspace's keys."""

    keys = Key(many=True)
    total = serializers.IntegerField()


class NewKey(serializers.Serializer[Any]):
    """A key to add."""

    title = serializers.CharField(required=False, max_length=200, allow_blank=True)
    key = serializers.CharField(max_length=1000, help_text="Starts with `sk_`.")
    workspace_id = serializers.IntegerField(required=False, help_text="Left out, the one you have been in longest.")


class KeyFailure(serializers.Serializer[Any]):
    """A key that could not be asked."""

    key_id = serializers.IntegerField()
    title = serializers.CharField()
    last4 = serializers.CharField()
    detail = serializers.CharField()


class NumbersAgent(serializers.Serializer[Any]):
    """Who answers a number at ElevenLabs."""

    elevenlabs_agent_id = serializers.CharField()
    name = serializers.CharField()


class PhoneNumber(serializers.Serializer[Any]):
    """A phone number at ElevenLabs."""

    phone_number_id = serializers.CharField(help_text="ElevenLabs' own id.")
    phone_number = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field, not the serializer's own
    provider = serializers.CharField(help_text=f"{', '.join(Carrier.values)}, or another one in ElevenLabs' words.")
    agent = NumbersAgent(allow_null=True, help_text="Who answers it.")
    account_id = serializers.IntegerField()
    key_id = serializers.IntegerField(help_text="The key that showed it.")


class PhoneNumbers(serializers.Serializer[Any]):
    """The numbers of all keys."""

    phone_numbers = PhoneNumber(many=True)
    total = serializers.IntegerField()
    errors = KeyFailure(  # type: ignore[assignment]  # a field, not the serializer\'s own
        many=True, help_text="Keys that could not be asked; the numbers of the others are there."
    )


describe(
    KeysView,
    get=extend_schema(
        operation_id="list_keys",
        tags=[ELEVENLABS],
        summary="List API Keys",
        description="The workspace's keys, newest first. New campaigns start with the newest that works.",
        parameters=[WORKSPACE_QUERY],
        responses={200: Keys, **refusals({404: NO_WORKSPACE})},
        examples=[answered({"keys": [KEY], "total": 1})],
    ),
    post=extend_schema(
        operation_id="add_key",
        tags=[ELEVENLABS],
        summary="Add API Key",
        description=(
            "The key is checked at ElevenLabs and encrypted before storage; only the last 4 characters are returned. "
            "Replace it by adding a new key and removing the old one. Owners only."
        ),
        parameters=[WORKSPACE_QUERY],
        request=NewKey,
        responses={
            200: AddedKey,
            **refusals({403: NOT_OWNER, 404: NO_WORKSPACE, 422: "ElevenLabs refuses the key.", 429: NO_CREDITS}),
            **refusals({502: UNREACHABLE}),
        },
        examples=[sent({"title": "My ElevenLabs", "key": "sk_..."}), answered({**KEY, "webhook": WEBHOOK})],
    ),
)
describe(
    PhoneNumbersView,
    get=extend_schema(
        operation_id="list_phone_numbers",
        tags=[ELEVENLABS],
        summary="List Phone Numbers (SIP + Twilio)",
        description=(
            "Every phone number visible in the workspace's ElevenLabs accounts. A key that fails hides nothing of the "
            "others: `errors` names it."
        ),
        parameters=[WORKSPACE_QUERY],
        responses={
            200: PhoneNumbers,
            **refusals({404: NO_WORKSPACE, 429: NO_CREDITS, 502: "No key's account could be asked."}),
        },
        examples=[answered({"phone_numbers": [PHONE_NUMBER], "total": 1, "errors": []})],
    ),
)
