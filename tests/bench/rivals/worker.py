"""Celery's worker with the rival's task alone."""

from __future__ import annotations

from aispinner.celery import app

app.set_default()
app.loader.import_default_modules()

from tests.bench.rivals import campaign  # noqa: E402 - once Django is ready

__all__ = ["app", "campaign"]
