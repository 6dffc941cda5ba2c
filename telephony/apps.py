"""The telephony app."""

from __future__ import annotations

from django.apps import AppConfig


class TelephonyConfig(AppConfig):
    name = "telephony"

    def ready(self) -> None:
        from telephony.realtime.access import watch_access

        watch_access()
