"""HTTP: Django as a WSGI application."""

from __future__ import annotations

import os

from django.core.cache import close_caches
from django.core.signals import request_finished
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aispinner.settings")
application = get_wsgi_application()
request_finished.disconnect(close_caches)  # Redis keeps nothing open: to find that out takes 4 % of a small request
