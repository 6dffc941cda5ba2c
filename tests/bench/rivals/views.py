"""The usual API, on the same server, middleware and database: ModelSerializer, live aggregates, get_or_create.

It logs in with the same tokens, looked up by the ORM with each request, and has no throttle.
"""

from __future__ import annotations

from typing import Any

import orjson
from django.contrib.auth.models import User
from django.db.models import Count, Sum
from django.urls import include, path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aispinner.core.auth import caller, user_for_token
from integrations.elevenlabs.signature import verify
from integrations.models import WebhookEndpoint, WebhookReceipt
from telephony.api.journal import NodeJournalView
from telephony.models import Call


class Transcript(serializers.Field[Any, Any, Any, Any]):
    """What is stored as text goes out as JSON."""

    def to_representation(self, value: str) -> Any:
        return orjson.loads(value)


class CallSerializer(serializers.ModelSerializer[Call]):
    """A call with the fields that ours has."""

    transcript = Transcript()
    parent_call_id = serializers.CharField(source="run.call_id", default=None)
    node_id = serializers.CharField(source="pbx_node.node_id", default=None)
    phone_node_id = serializers.CharField(source="phone_node.node_id", default=None)
    agent_node_id = serializers.CharField(source="agent_node.node_id", default=None)

    class Meta:
        model = Call
        fields = (
            *("id", "call_id", "status", "subscriber_phone", "duration_sec", "summary", "transcript", "created_at"),
            *("conversation_id", "has_audio", "parent_call_id", "version", "outcome", "reason", "disposition"),
            *("direction", "workspace_id", "node_id", "phone_node_id", "agent_node_id", "dispatched_at"),
            *("answered_at", "ended_at"),
        )


class LookedUp(BaseAuthentication):
    """A bearer token, by the ORM."""

    def authenticate(self, request: Request) -> tuple[User, None]:
        user = user_for_token(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if user is None:
            raise AuthenticationFailed
        return user, None


class CallsView(APIView):
    """The last calls of a node, or those after `since_id`, with what all of them come to."""

    authentication_classes = [LookedUp]
    throttle_classes: list[Any] = []

    def get(self, request: Request, node_id: str) -> Response:
        calls = Call.objects.filter(pbx_node__node_id=node_id, workspace__memberships__user=caller(request))
        totals = calls.aggregate(total=Count("pk"), seconds=Sum("duration_sec"))
        since = request.query_params.get("since_id")
        page = calls.select_related("run", "pbx_node", "phone_node", "agent_node").order_by("-pk")
        page = page.filter(pk__gt=since)[:200] if since else page[:200]
        return Response({**totals, "calls": CallSerializer(page, many=True).data})


class PlainCallsView(CallsView):
    """The last calls alone: nothing is counted."""

    def get(self, request: Request, node_id: str) -> Response:
        calls = Call.objects.filter(pbx_node__node_id=node_id, workspace__memberships__user=caller(request))
        page = calls.select_related("run", "pbx_node", "phone_node", "agent_node").order_by("-pk")[:200]
        return Response({"calls": CallSerializer(page, many=True).data})


class WebhookView(APIView):
    """An event, stored once."""

    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]
    throttle_classes: list[Any] = []

    def post(self, request: Request, public_id: str) -> Response:
        endpoint = WebhookEndpoint.objects.get(public_id=public_id)
        body = request.body
        if not verify(body, request.headers.get("ElevenLabs-Signature"), endpoint.secret, now=timezone.now()):
            return Response(status=401)
        event: Any = request.data
        _, is_new = WebhookReceipt.objects.get_or_create(
            endpoint=endpoint,
            event_key=event["data"]["conversation_id"],
            defaults={"kind": event["type"], "body": body.decode(), "next_at": timezone.now()},
        )
        return Response({"new": is_new})


class Anybody(BaseAuthentication):
    """Whoever sees everything, without looking at what was sent."""

    user: User | None = None

    def authenticate(self, request: Request) -> tuple[User, None]:
        if Anybody.user is None:
            Anybody.user = User.objects.get(username="everyone")
        return Anybody.user, None


class OpenJournalView(NodeJournalView):
    """Our own journal, open: no token, no throttle."""

    authentication_classes = [Anybody]
    throttle_classes: list[Any] = []


class LookedUpJournalView(NodeJournalView):
    """Our own journal, with a token that is looked up each time."""

    authentication_classes = [LookedUp]
    throttle_classes: list[Any] = []


urlpatterns = [
    path("rival/calls/<str:node_id>", PlainCallsView.as_view()),
    path("rival/delta/<str:node_id>", CallsView.as_view()),
    path("rival/webhooks/<str:public_id>", csrf_exempt(WebhookView.as_view())),
    path("with-token/journal/<str:node_id>", NodeJournalView.as_view()),  # found as soon as the next two are
    path("open/journal/<str:node_id>", OpenJournalView.as_view()),
    path("looked-up/journal/<str:node_id>", LookedUpJournalView.as_view()),
    path("", include("aispinner.urls")),
]
