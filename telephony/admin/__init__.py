"""The admin's pages of telephony: dashboard, campaigns, calls, keys, settings."""

from __future__ import annotations

from telephony.admin import calls, keys, runs, voice_settings

__all__ = ["calls", "keys", "runs", "voice_settings"]
