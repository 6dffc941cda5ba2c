"""The Celery application. Its tasks are doorbells: they carry an id and may be lost, late or doubled without harm."""

from __future__ import annotations

import logging.config
import os
import sys
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_init
from django.conf import settings
from django_structlog.celery.steps import DjangoStructLogInitStep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aispinner.settings")

app = Celery("aispinner")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add(DjangoStructLogInitStep)


@setup_logging.connect
def _log_as_everybody_does(**_: Any) -> None:
    """Keep Celery from setting up logs of its own."""
    logging.config.dictConfig(settings.LOGGING)


@worker_init.connect
def _take_short_turns(**_: Any) -> None:
    """A worker's tasks are threads that wait for databases and providers, thirty times in a task: whoever has waited
    shall not wait again until another's 5 ms (Python's default) are over.
    """
    sys.setswitchinterval(0.0005)
