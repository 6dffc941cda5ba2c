"""Structured logs: one event a line, with ids and never numbers, names, transcripts or keys."""

from __future__ import annotations

from typing import Any


def logging_config(*, level: str, style: str) -> dict[str, Any]:
    """Django's LOGGING for the given level and style (`json` for machines, `console` for people)."""
    return {"version": 1, "disable_existing_loggers": False, "root": {"level": level, "handlers": []}}
