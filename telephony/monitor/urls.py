"""Where the monitor is."""

from __future__ import annotations

from django.urls import path

from telephony.monitor.views import monitor

urlpatterns = [path("monitor/", monitor, name="monitor")]
