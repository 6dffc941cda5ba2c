"""The wiring: settings, addresses, servers and the Celery application. Imported by nobody below."""

from __future__ import annotations
