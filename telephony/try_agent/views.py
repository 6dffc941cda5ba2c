"""The page. What happens on it goes through the API, as the person who is logged in."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from agents.models import Agent
from aispinner.core.models import Membership, Role
from integrations.calls import Outcome
from telephony.admin.words import CALL_TONES, OUTCOME_TONES
from telephony.models import CallStatus
from telephony.monitor.views import POLICY, labels


@require_safe
@login_required
@ensure_csrf_cookie
def try_agent(request: HttpRequest, workspace_id: int, node_id: str) -> HttpResponse:
    """For members of the agent's workspace; who may not call is told so on the page."""
    user = request.user
    assert isinstance(user, User)  # noqa: S101 - login_required
    membership = Membership.objects.filter(user=user, workspace_id=workspace_id).first()
    agents = Agent.objects.select_related("node", "workspace")
    agent = agents.filter(workspace_id=workspace_id, node__node_id=node_id).first()
    if membership is None or agent is None:
        raise Http404
    page = {
        "workspace_id": agent.workspace_id,
        "agent_node_id": agent.node.node_id,
        "may_call": Role(membership.role).includes(Role.EDITOR),
        "ice_servers": settings.WEBRTC_ICE_SERVERS,
        "call_status": labels(CallStatus, CALL_TONES),
        "outcome": labels(Outcome, OUTCOME_TONES, otherwise="bad"),
    }
    context = {"agent": agent, "page": page, "is_staff": user.is_staff}
    response = render(request, "try-agent/page.html", context)
    response["Content-Security-Policy"] = POLICY.format(host=request.get_host())
    response["Permissions-Policy"] = "microphone=(self)"
    return response
