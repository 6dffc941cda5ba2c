"""Addresses of this floor."""

from __future__ import annotations

from django.urls import path

from agents.api.agents import AdoptView, DriftView, ElevenLabsAgentsView
from agents.api.checkup import AgentTestView
from agents.api.phone_providers import ImportView, PhoneProviderView

_PROVIDER = "workspaces/<str:workspace_id>/nodes/<str:node_id>/phone-provider"

urlpatterns = [
    path(_PROVIDER, PhoneProviderView.as_view()),
    path(f"{_PROVIDER}/import", ImportView.as_view()),
    path("agents/elevenlabs/list", ElevenLabsAgentsView.as_view()),
    path("agents/adopt", AdoptView.as_view()),
    path("integrations/elevenlabs/agents/test", AgentTestView.as_view()),
    path("agents/<str:node_id>/drift", DriftView.as_view()),
]
