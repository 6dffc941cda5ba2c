"""Every address of the server."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import include, path
from django.views.generic import RedirectView

from aispinner.core.login import PageLoginView
from telephony.metrics import scrape

urlpatterns = [
    # First what is asked for all the time: each address is tried in turn.
    path("", include("telephony.webhooks.urls")),
    path("", include("telephony.api.urls")),
    path("", RedirectView.as_view(pattern_name="monitor")),
    path("login", PageLoginView.as_view(), name="login"),
    path("logout", LogoutView.as_view(), name="logout"),
    path("monitor", RedirectView.as_view(pattern_name="monitor")),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("metrics", scrape),
    path("", include("aispinner.core.api.urls")),
    path("", include("integrations.api.urls")),
    path("", include("agents.api.urls")),
    path("", include("telephony.monitor.urls")),
    path("", include("telephony.try_agent.urls")),
    path("", include("aispinner.apidocs.urls")),
]

handler400 = "aispinner.core.pages.bad_request"
handler403 = "aispinner.core.pages.permission_denied"
handler404 = "aispinner.core.pages.page_not_found"
handler500 = "aispinner.core.pages.server_error"
