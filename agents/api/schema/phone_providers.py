"""Phone providers, described."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers

from agents.api.phone_providers import ImportView, PhoneProviderView
from aispinner.core.api.openapi import (
    NO_NODE,
    NOT_EDITOR,
    PHONE_NODE_PATH,
    PHONE_PROVIDER,
    WORKSPACE_PATH,
    answered,
    describe,
    refusals,
    sent,
)
from integrations.api.schema import NO_CREDITS, UNREACHABLE
from integrations.models import Carrier

PROVIDER = {
    "workspace_id": 1,
    "node_id": "phone_abc",
    "provider": "twilio",
    "has_twilio_sid": True,
    "has_twilio_token": True,
    "twilio_phone": "+15551234567",
    "agent_node_id": "agent_abc",
    "imported": False,
    "registered": True,
    "phone_number_id": "phnum_3701",
    "created_at": "2026-05-04T09:20:00Z",
    "updated_at": "2026-05-04T10:05:00Z",
}
INBOUND = {"answers": True, "detail": "The agent answers this number."}


class PhoneProvider(serializers.Serializer[Any]):
    """The carrier of a phone-number node: the fields of its kind, secrets only as `has_…`."""

    workspace_id = serializers.IntegerField()
    node_id = serializers.CharField()
    provider = serializers.ChoiceField(choices=Carrier.choices)
    has_twilio_sid = serializers.BooleanField(required=False)
    has_twilio_token = serializers.BooleanField(required=False)
    twilio_phone = serializers.CharField(required=False, allow_null=True)
    sip_server = serializers.CharField(required=False, allow_null=True)
    sip_port = serializers.IntegerField(required=False, allow_null=True)
    sip_user = serializers.CharField(required=False, allow_null=True)
    has_sip_password = serializers.BooleanField(required=False)
    sip_phone = serializers.CharField(required=False, allow_null=True)
    agent_node_id = serializers.CharField(allow_null=True, help_text="Whose agent answers the number.")
    imported = serializers.BooleanField(help_text="Taken over from ElevenLabs: complete without credentials.")
    registered = serializers.BooleanField(help_text="Whether ElevenLabs knows the number.")
    phone_number_id = serializers.CharField(allow_null=True, help_text="ElevenLabs' own id of it.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class Inbound(serializers.Serializer[Any]):
    """Whether the agent answers the number now."""

    answers = serializers.BooleanField()
    detail = serializers.CharField()


class SavedPhoneProvider(PhoneProvider):
    """The carrier as it was saved."""

    inbound = Inbound()
    warnings = serializers.ListField(child=serializers.CharField(), help_text="What still stands in the way of calls.")


class NewPhoneProvider(serializers.Serializer[Any]):
    """The fields of one carrier. What is left out stays as it is."""

    provider = serializers.ChoiceField(choices=Carrier.choices, required=False, help_text="Needed the first time.")
    twilio_sid = serializers.CharField(required=False, max_length=500, help_text="Starts with `AC` or `SK`.")
    twilio_token = serializers.CharField(required=False, max_length=500)
    twilio_phone = serializers.CharField(required=False, help_text="E.164.")
    sip_server = serializers.CharField(required=False, max_length=255, help_text="A host name or address.")
    sip_port = serializers.IntegerField(required=False, min_value=1, max_value=65535)
    sip_user = serializers.CharField(required=False, max_length=255)
    sip_password = serializers.CharField(required=False, max_length=500)
    sip_phone = serializers.CharField(required=False, help_text="E.164. ElevenLabs needs it to place calls.")
    agent_node_id = serializers.CharField(
        required=False, allow_null=True, help_text="An `ai.agent` node, whose agent answers the number from now on."
    )


class NumberToImport(serializers.Serializer[Any]):
    """Which number; nothing at all means the one assigned to the node's agent, else the only one."""

    phone_number_id = serializers.CharField(required=False, max_length=200)
    phone_number = serializers.CharField(required=False, max_length=200)


_IN_NODE = [WORKSPACE_PATH, PHONE_NODE_PATH]
_NO_PROVIDER = "You are in no such workspace, it has no such node, or the node has no phone provider."
describe(
    PhoneProviderView,
    get=extend_schema(
        operation_id="get_phone_provider",
        tags=[PHONE_PROVIDER],
        summary="Get Phone Provider",
        description="The carrier assigned to an `ai.phone_number` node. Secrets are shown only as `has_…`.",
        parameters=_IN_NODE,
        responses={200: PhoneProvider, **refusals({404: _NO_PROVIDER})},
        examples=[answered(PROVIDER)],
    ),
    put=extend_schema(
        operation_id="set_phone_provider",
        tags=[PHONE_PROVIDER],
        summary="Update Phone Provider",
        description=(
            "`provider` is `twilio` or `sip`. SIP fields: `sip_server`, `sip_user`, `sip_password`, `sip_port`, and "
            "`sip_phone`, which ElevenLabs needs. Sensitive credentials are encrypted at rest (Fernet). Fields of "
            "another carrier are refused; what is left out stays as it is. With `agent_node_id`, that node's agent "
            "answers the number: `inbound` says whether it does."
        ),
        parameters=_IN_NODE,
        request=NewPhoneProvider,
        responses={200: SavedPhoneProvider, **refusals({403: NOT_EDITOR, 404: NO_NODE})},
        examples=[
            sent(
                {
                    "provider": "twilio",
                    "twilio_sid": "ACxxxxxxxx",
                    "twilio_token": "<your token>",
                    "twilio_phone": "+15551234567",
                    "agent_node_id": "agent_abc",
                },
                name="Twilio",
            ),
            sent(
                {
                    "provider": "sip",
                    "sip_server": "sip.example.org",
                    "sip_port": 5060,
                    "sip_user": "aispinner",
                    "sip_password": "<your password>",
                    "sip_phone": "+15551234567",
                },
                name="SIP",
            ),
            answered({**PROVIDER, "inbound": INBOUND, "warnings": []}),
        ],
    ),
    delete=extend_schema(
        operation_id="delete_phone_provider",
        tags=[PHONE_PROVIDER],
        summary="Delete Phone Provider",
        description="Removed here; nothing changes at ElevenLabs.",
        parameters=_IN_NODE,
        responses={
            204: None,
            **refusals({403: NOT_EDITOR, 404: _NO_PROVIDER, 409: "Campaigns were started with this phone provider."}),
        },
    ),
)
describe(
    ImportView,
    post=extend_schema(
        operation_id="import_phone_provider",
        tags=[PHONE_PROVIDER],
        summary="Import from ElevenLabs",
        description=(
            "Pulls the existing SIP or Twilio configuration from your linked ElevenLabs account into the node, which "
            "saves manual re-entry of trunk credentials. Without a body: the number assigned to the node's agent, else "
            "the only one."
        ),
        parameters=_IN_NODE,
        request=NumberToImport,
        responses={
            200: PhoneProvider,
            **refusals(
                {
                    403: NOT_EDITOR,
                    404: NO_NODE,
                    409: "Several numbers fit; `errors` lists them.",
                    429: NO_CREDITS,
                    502: UNREACHABLE,
                }
            ),
        },
        examples=[sent({"phone_number": "+15551234567"}), answered({**PROVIDER, "imported": True})],
    ),
)
