"""Calls from a browser, described."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers

from aispinner.core.access import LONGEST_NODE_ID
from aispinner.core.api.openapi import (
    NOT_EDITOR,
    WEBCALL,
    answered,
    describe,
    refusals,
    sent,
)
from telephony.api import webcall as views
from telephony.api.schema.calls import audio_schema
from telephony.models import CallStatus

NO_AGENT_NODE = "You can see no such workspace or agent node."
NO_CALL = "You can see no such web call."
OFFER = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n…"
CALL = {"call_id": "call_abc"}


class WebCallOffer(serializers.Serializer[Any]):
    """What begins a web call."""

    agent_node_id = serializers.CharField(max_length=LONGEST_NODE_ID, help_text="An `ai.agent` node with an agent.")
    sdp = serializers.CharField(
        max_length=views.LONGEST_SDP,
        trim_whitespace=False,
        help_text="The browser's offer once its ICE candidates are gathered: one audio track, both ways.",
    )
    workspace_id = serializers.IntegerField(
        required=False,
        min_value=0,
        help_text="Left out, it is your only workspace that holds the node, else the one you have been in longest.",
    )


class NamedWebCall(serializers.Serializer[Any]):
    """Which web call."""

    call_id = serializers.CharField(min_length=1, max_length=40)


class WebCallState(NamedWebCall):
    """A web call as it is now."""

    status = serializers.ChoiceField(choices=CallStatus.choices)


class WebCallAnswer(WebCallState):
    """A web call that has begun."""

    sdp = serializers.CharField(help_text="The server's answer, with its ICE candidates.")


class IceServer(serializers.Serializer[Any]):
    """As `RTCPeerConnection` takes it."""

    urls = serializers.JSONField(help_text="One address or several: `stun:…`, `turn:…`.")
    username = serializers.CharField(required=False)
    credential = serializers.CharField(required=False)


class IceServers(serializers.Serializer[Any]):
    """STUN and TURN servers."""

    ice_servers = IceServer(many=True)


describe(
    views.WebCallStartView,
    post=extend_schema(
        operation_id="start_web_call",
        tags=[WEBCALL],
        summary="Start Web Call",
        description=(
            "Calls an adopted agent from a browser. The server is the WebRTC peer: set `sdp` of the answer as the "
            "remote description, and the agent speaks as soon as the connection is up. The call is in the journal with "
            "direction `web`; its turns are events of the call as they are said."
        ),
        request=WebCallOffer,
        responses={
            200: WebCallAnswer,
            **refusals(
                {
                    403: NOT_EDITOR,
                    404: NO_AGENT_NODE,
                    409: "The workspace has as many web calls going on as it may.",
                    422: "The offer cannot be answered, the node has no adopted agent, or no key of its account works.",
                    503: "No voice bridge is running, or all are busy.",
                }
            ),
        },
        examples=[
            sent({"agent_node_id": "agent_xyz", "sdp": OFFER}),
            answered({**CALL, "status": "dialing", "sdp": OFFER}),
        ],
    ),
)


def _about(operation_id: str, summary: str, description: str, status: str) -> Any:
    return extend_schema(
        operation_id=operation_id,
        tags=[WEBCALL],
        summary=summary,
        description=description,
        request=NamedWebCall,
        responses={200: WebCallState, **refusals({403: NOT_EDITOR, 404: NO_CALL})},
        examples=[sent(CALL), answered({**CALL, "status": status})],
    )


describe(
    views.WebCallConnectedView,
    post=_about(
        "web_call_connected",
        "Web Call Connected",
        "The browser's media is up. The server sees it as well, so that this may be left out.",
        "ringing",
    ),
)
describe(
    views.WebCallAnsweredView,
    post=_about(
        "web_call_answered",
        "Web Call Answered",
        "The agent was heard for the first time. The server sees it as well, so that this may be left out.",
        "in_progress",
    ),
)
describe(
    views.WebCallHangupView,
    post=_about(
        "hang_up_web_call",
        "Hang Up Web Call",
        "Ends the call; one that has ended stays as it is. Its end is written within a second or two.",
        "in_progress",
    ),
)
describe(
    views.WebCallIceView,
    get=extend_schema(
        operation_id="get_ice_servers",
        tags=[WEBCALL],
        summary="Get ICE Servers",
        description="The STUN and TURN servers to make the `RTCPeerConnection` with, before the offer.",
        responses={200: IceServers},
        examples=[answered({"ice_servers": [{"urls": "stun:stun.example.org"}]})],
    ),
)
describe(views.WebCallAudioView, get=audio_schema("get_web_call_audio", "Get Web Call Audio", tag=WEBCALL))
