"""The rivals' views on our own server, beside our own."""

from __future__ import annotations

from django.conf import settings

from aispinner.serving.plain import application

settings.ROOT_URLCONF = "tests.bench.rivals.views"

__all__ = ["application"]
