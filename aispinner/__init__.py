"""The wiring: settings, addresses, servers and the Celery application. Imported by nobody below."""

from __future__ import annotations

from aispinner import checks  # noqa: F401 - registers them
from aispinner.celery import app as celery_app  # whoever rings a bell rings it on this application

__all__ = ["celery_app"]
