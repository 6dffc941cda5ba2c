"""HTTP: Django as a WSGI application."""

from __future__ import annotations

import os

from django.conf import settings
from django.core.cache import close_caches
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application

from aispinner.serving.kept import close_with_thread, keep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aispinner.settings")
application = get_wsgi_application()
request_finished.disconnect(close_caches)  # Redis keeps nothing open: to find that out takes 4 % of a small request
if settings.KEEPS_CONNECTIONS:
    request_started.connect(keep)
    request_finished.connect(close_with_thread)
