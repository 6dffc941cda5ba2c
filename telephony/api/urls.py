"""The published telephony addresses."""

from __future__ import annotations

from django.urls import path

from telephony.api.audio import AudioView
from telephony.api.calls import EventsView
from telephony.api.export import ResultsView
from telephony.api.journal import CallView, JournalView, NodeJournalView
from telephony.api.keys import KeyView
from telephony.api.runs import CancelView, NameView, PauseView, ResumableView, ResumeView, RunsView, RunView
from telephony.api.settings import SettingsView
from telephony.api.start import StartView
from telephony.api.statistics import StatisticsView
from telephony.api.webcall import (
    WebCallAnsweredView,
    WebCallAudioView,
    WebCallConnectedView,
    WebCallHangupView,
    WebCallIceView,
    WebCallStartView,
)
from telephony.api.workspaces import OneWorkspaceView

urlpatterns = [
    path("telephony/journal", JournalView.as_view()),
    path("telephony/journal/call/<str:call_id>", CallView.as_view()),
    path("telephony/journal/<str:node_id>", NodeJournalView.as_view()),
    path("telephony/dialer/start", StartView.as_view()),
    path("telephony/runs", RunsView.as_view()),
    path("telephony/runs/resumable", ResumableView.as_view()),
    path("telephony/runs/<str:call_id>", RunView.as_view()),
    path("telephony/runs/<str:call_id>/pause", PauseView.as_view()),
    path("telephony/runs/<str:call_id>/resume", ResumeView.as_view()),
    path("telephony/runs/<str:call_id>/cancel", CancelView.as_view()),
    path("telephony/runs/<str:call_id>/results.csv", ResultsView.as_view()),
    path("telephony/runs/<str:call_id>/name", NameView.as_view()),
    path("telephony/calls/<str:call_id>/events", EventsView.as_view()),
    path("telephony/calls/<str:call_id>/audio", AudioView.as_view()),
    path("telephony/statistics", StatisticsView.as_view()),
    path("telephony/settings", SettingsView.as_view()),
    path("webcall/start", WebCallStartView.as_view()),
    path("webcall/connected", WebCallConnectedView.as_view()),
    path("webcall/answered", WebCallAnsweredView.as_view()),
    path("webcall/hangup", WebCallHangupView.as_view()),
    path("webcall/ice", WebCallIceView.as_view()),
    path("webcall/audio/<str:call_id>.mp3", WebCallAudioView.as_view()),
    path("integrations/elevenlabs/keys/<str:key_id>", KeyView.as_view()),
    path("workspaces/<str:workspace_id>", OneWorkspaceView.as_view()),
]
