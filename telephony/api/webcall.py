"""Calls from a browser (WebRTC) to an adopted agent."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.models import Agent
from aispinner.core.access import choose_workspace, node_in, workspace_for
from aispinner.core.auth import caller
from aispinner.core.errors import Invalid, NotFound
from aispinner.core.models import NodeType, Role
from integrations.calls import Direction, Phase
from telephony.api.audio import AudioView
from telephony.api.finding import LONGEST_ID, call_for
from telephony.api.reading import Body
from telephony.models import Call
from telephony.voice.webcalls import hang_up, reached, start_web_call

LONGEST_SDP = 64 * 1024
NO_WEB_CALL = "Web call not found. POST /webcall/start begins one."


class WebCallStartView(APIView):
    """POST /webcall/start"""

    def post(self, request: Request) -> Response:
        """The browser's offer in, our answer out; the agent speaks as soon as the browser is connected."""
        body = Body(request.data, known=("agent_node_id", "sdp", "workspace_id"))
        node_id = body.text("agent_node_id", longest=100, required=True)
        sdp = _sdp(body)
        body.check()
        workspace = choose_workspace(
            user=caller(request), workspace_id=body.get("workspace_id"), node_id=node_id, role=Role.EDITOR
        )
        node = node_in(workspace=workspace, node_id=node_id, types={NodeType.AGENT})
        agent = Agent.objects.select_related("workspace", "account").filter(node=node).first()
        if agent is None:
            sentence = f"No ElevenLabs agent is adopted on node {node_id}; adopt one with POST /agents/adopt."
            raise Invalid(sentence, errors={"agent_node_id": [sentence]})
        begun = start_web_call(agent=agent, sdp=sdp)
        return Response({"call_id": begun.call.call_id, "sdp": begun.sdp, "status": str(begun.call.status)})


class WebCallConnectedView(APIView):
    """POST /webcall/connected"""

    def post(self, request: Request) -> Response:
        """Media is up."""
        call = _web_call(request)
        reached(call, Phase.RINGING)
        return _shown(call)


class WebCallAnsweredView(APIView):
    """POST /webcall/answered"""

    def post(self, request: Request) -> Response:
        """The agent's first words were heard."""
        call = _web_call(request)
        reached(call, Phase.IN_PROGRESS)
        return _shown(call)


class WebCallHangupView(APIView):
    """POST /webcall/hangup"""

    def post(self, request: Request) -> Response:
        """End the call; one that has ended stays as it is."""
        call = _web_call(request)
        hang_up(call)
        return _shown(call)


class WebCallIceView(APIView):
    """GET /webcall/ice"""

    def get(self, request: Request) -> Response:
        """The STUN and TURN servers to give to `RTCPeerConnection` before the offer is made."""
        caller(request)
        return Response({"ice_servers": settings.WEBRTC_ICE_SERVERS})


class WebCallAudioView(AudioView):
    """GET and HEAD /webcall/audio/{call_id}.mp3"""

    def get(self, request: Request, call_id: str) -> HttpResponseBase:
        """As of any call."""
        return super().get(request, call_id)

    def find(self, request: Request, call_id: str) -> Call:
        """The web call; others' recordings are at /telephony/calls/{call_id}/audio."""
        call = super().find(request, call_id)
        if call.direction != Direction.WEB:
            raise NotFound(NO_WEB_CALL)
        return call


def _sdp(body: Body) -> str:
    sdp: Any = body.get("sdp")
    if not isinstance(sdp, str) or not sdp.strip() or "\0" in sdp:
        body.blame("sdp", "Takes the SDP of the browser's offer.")
        return ""
    if len(sdp) > LONGEST_SDP:
        body.blame("sdp", f"Takes at most {LONGEST_SDP} characters.")
    return sdp


def _web_call(request: Request) -> Call:
    """The call that the body names, which the caller may have a hand in."""
    body = Body(request.data, known=("call_id",))
    call_id = body.text("call_id", longest=LONGEST_ID, required=True)
    body.check()
    call = call_for(user=caller(request), call_id=call_id)
    if call.direction != Direction.WEB:
        raise NotFound(NO_WEB_CALL)
    workspace_for(user=caller(request), workspace_id=call.workspace_id, role=Role.EDITOR)
    return call


def _shown(call: Call) -> Response:
    call.refresh_from_db(fields=["status"])
    return Response({"call_id": call.call_id, "status": str(call.status)})
