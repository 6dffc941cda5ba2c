"""Where the API is described."""

from __future__ import annotations

from django.urls import path

from aispinner.apidocs.views import docs, schema

urlpatterns = [
    path("api/schema", schema, name="schema"),
    path("api/docs", docs, name="docs"),
]
