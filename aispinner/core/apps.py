"""The floor everything stands on, as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "aispinner.core"
    label = "core"
    verbose_name = "Workspaces"
