"""Campaigns, calls, the journal and settings, described for `/api/schema`: importing this annotates their views."""

from __future__ import annotations

from telephony.api.schema import calls, journal, runs, settings, statistics, webcall

__all__ = ["calls", "journal", "runs", "settings", "statistics", "webcall"]
