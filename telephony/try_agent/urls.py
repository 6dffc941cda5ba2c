"""Where the page is."""

from __future__ import annotations

from django.urls import path

from telephony.try_agent.views import try_agent

urlpatterns = [path("try/<int:workspace_id>/<str:node_id>", try_agent, name="try-agent")]
