"""`python manage.py voice`: a voice bridge, which joins phones and browsers with agents."""

from __future__ import annotations

import asyncio
from typing import Any

from django.core.management.base import BaseCommand

from telephony.voice.process import config_from_settings, serve


class Command(BaseCommand):
    """Runs one bridge until SIGTERM. As many as you like may run."""

    help = "Join phone lines and browsers with agents' conversation sockets."

    def handle(self, *_args: Any, **_options: Any) -> None:
        asyncio.run(serve(config_from_settings()))
