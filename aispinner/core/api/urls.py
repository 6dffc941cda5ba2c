"""The floor's addresses: tokens and health."""

from __future__ import annotations

from django.urls import path

from aispinner.core.api.tokens import OneTokenView, TokensView, TokenView
from aispinner.core.health import healthz, readyz

urlpatterns = [
    path("healthz", healthz),
    path("readyz", readyz),
    path("auth/token", TokenView.as_view()),
    path("auth/tokens", TokensView.as_view()),
    path("auth/tokens/<slug:public_id>", OneTokenView.as_view()),
]
