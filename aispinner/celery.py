"""The Celery application. Its tasks are doorbells: they carry an id and may be lost, late or doubled without harm."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aispinner.settings")

app = Celery("aispinner")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
