"""Settings, and what of keys and workspaces concerns campaigns, described."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers

from aispinner.core.api.openapi import (
    ELEVENLABS,
    ID,
    NO_WORKSPACE,
    NOT_EDITOR,
    NOT_OWNER,
    SETTINGS,
    WORKSPACE_PATH,
    WORKSPACE_QUERY,
    WORKSPACES,
    answered,
    describe,
    in_path,
    refusals,
    sent,
)
from telephony.api.keys import KeyView
from telephony.api.settings import SettingsView
from telephony.api.workspaces import OneWorkspaceView

ARI = {
    "id": "ari_main",
    "kind": "ari",
    "url": "http://pbx.example.org:8088",
    "username": "aispinner",
    "app": "aispinner",
    "endpoint": "PJSIP/{number}@trunk",
    "caller_id": "+15551234567",
    "calls_per_second": 1,
}
SHOWN = {
    "workspace_id": 1,
    "settings_json": {
        "default_provider_id": "ari_main",
        "providers": [{**ARI, "has_password": True}],
        "has_sip_password": False,
    },
}


class AriProvider(serializers.Serializer[Any]):
    """An Asterisk that calls can be placed through."""

    id = serializers.CharField(max_length=100, help_text="Your own name for it.")
    kind = serializers.ChoiceField(choices=["ari"])
    title = serializers.CharField(required=False, max_length=200)
    url = serializers.CharField(max_length=500, help_text="Of Asterisk's HTTP server, without credentials.")
    username = serializers.CharField(required=False, max_length=255)
    app = serializers.CharField(required=False, max_length=100)
    endpoint = serializers.CharField(required=False, max_length=200, help_text="Such as `PJSIP/{number}@trunk`.")
    caller_id = serializers.CharField(required=False, max_length=100)
    calls_per_second = serializers.FloatField(required=False, help_text="Above 0, at most 1000.")
    max_concurrent = serializers.IntegerField(
        required=False, min_value=1, max_value=1000, help_text="Calls at once over this PBX: 10 unless set."
    )
    ring_seconds = serializers.IntegerField(required=False, min_value=5, max_value=120, help_text="45 unless set.")
    media = serializers.ChoiceField(
        choices=["auto", "websocket", "audiosocket"],
        required=False,
        help_text="How sound travels: `auto` takes WebSocket from Asterisk 22.9 on, AudioSocket before.",
    )
    amd_context = serializers.CharField(
        required=False,
        max_length=100,
        help_text=(
            "A dialplan context of the PBX that listens for voicemail: "
            "`s,1,AMD()` then `Stasis(<app>,amd,${AMDSTATUS},${AMDCAUSE})`. Empty: nobody listens."
        ),
    )


class ShownAriProvider(AriProvider):
    """A provider as it is shown."""

    has_password = serializers.BooleanField()


class NewAriProvider(AriProvider):
    """A provider as it is sent."""

    kind = serializers.ChoiceField(choices=["ari"], required=False, default="ari")
    password = serializers.CharField(required=False, max_length=500, help_text="Left out, it stays as it is.")


class Retention(serializers.Serializer[Any]):
    """After how many days what is deleted, once a day; what is left out is kept."""

    calls_days = serializers.IntegerField(
        required=False, min_value=1, max_value=36_500, help_text="Calls as a whole; a campaign's from its end on."
    )
    transcripts_days = serializers.IntegerField(
        required=False, min_value=1, max_value=36_500, help_text="What was said: transcripts and summaries."
    )
    audio_days = serializers.IntegerField(required=False, min_value=1, max_value=36_500, help_text="Recordings.")


class SettingsJson(serializers.Serializer[Any]):
    """The settings, secrets only as `has_…`."""

    default_provider_id = serializers.CharField(required=False, help_text="One of the providers' ids.")
    providers = ShownAriProvider(many=True)
    retention = Retention(required=False)
    sip_server = serializers.CharField(required=False)
    sip_port = serializers.IntegerField(required=False)
    sip_user = serializers.CharField(required=False)
    sip_phone = serializers.CharField(required=False)
    has_sip_password = serializers.BooleanField()


class Settings(serializers.Serializer[Any]):
    """A workspace's telephony settings."""

    workspace_id = serializers.IntegerField()
    settings_json = SettingsJson()


class SettingsChanges(serializers.Serializer[Any]):
    """What changes; null removes a setting."""

    default_provider_id = serializers.CharField(required=False, allow_null=True, max_length=100)
    providers = NewAriProvider(many=True, required=False, allow_null=True, help_text="The whole list, at most 50.")
    retention = Retention(required=False, allow_null=True)
    sip_server = serializers.CharField(required=False, allow_null=True, max_length=255)
    sip_port = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=65535)
    sip_user = serializers.CharField(required=False, allow_null=True, max_length=255)
    sip_password = serializers.CharField(required=False, allow_null=True, max_length=500)
    sip_phone = serializers.CharField(required=False, allow_null=True, help_text="E.164.")


class NewSettings(serializers.Serializer[Any]):
    """What changes, and where."""

    settings_json = SettingsChanges()
    workspace_id = serializers.IntegerField(required=False, allow_null=True)


describe(
    SettingsView,
    get=extend_schema(
        operation_id="get_settings",
        tags=[SETTINGS],
        summary="Get Telephony Settings",
        description="Returns ARI / SIP defaults for Custom Voice mode.",
        parameters=[WORKSPACE_QUERY],
        responses={200: Settings, **refusals({404: NO_WORKSPACE})},
        examples=[answered(SHOWN)],
    ),
    put=extend_schema(
        operation_id="update_settings",
        tags=[SETTINGS],
        summary="Update Telephony Settings",
        description=(
            "Merged into what is there, setting by setting; null removes one. `providers` is replaced as a whole "
            "list, in which a provider without its password keeps the one it has."
        ),
        parameters=[WORKSPACE_QUERY],
        request=NewSettings,
        responses={200: Settings, **refusals({403: NOT_EDITOR, 404: NO_WORKSPACE})},
        examples=[
            sent({"settings_json": {"default_provider_id": "ari_main"}}, name="Choose the default"),
            sent({"settings_json": {"providers": [{**ARI, "password": "<your password>"}]}}, name="Set up an Asterisk"),
            answered(SHOWN),
        ],
    ),
)
describe(
    KeyView,
    delete=extend_schema(
        operation_id="delete_key",
        tags=[ELEVENLABS],
        summary="Delete API Key",
        description="Owners only.",
        parameters=[in_path("key_id", ID, "The key's `id`.", example=3)],
        responses={
            204: None,
            **refusals(
                {
                    403: NOT_OWNER,
                    404: "You can see no such key.",
                    409: "A campaign that has not ended uses the key.",
                }
            ),
        },
    ),
)
describe(
    OneWorkspaceView,
    delete=extend_schema(
        operation_id="delete_workspace",
        tags=[WORKSPACES],
        summary="Delete a Workspace",
        description="With everything in it, calls and recordings included. Owners only.",
        parameters=[WORKSPACE_PATH],
        responses={
            204: None,
            **refusals({403: NOT_OWNER, 404: NO_WORKSPACE, 409: "A campaign in it has not ended."}),
        },
    ),
)
