"""`manage.py asterisk`: holds the PBXs of Custom Voice. Run one, or several: the others stand by."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from aispinner.core import heartbeat
from telephony.voice.lines.holder import WHO, Holders


class Command(BaseCommand):
    help = "Hold the event sockets of all PBXs in the settings, and dial what campaigns over Custom Voice hand over."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--is-alive", action="store_true", help="only tell whether one gave a sign of life lately")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["is_alive"]:
            age = heartbeat.age(WHO)
            if age is None or age > heartbeat.ALIVE_WITHIN:
                raise CommandError("No process holds the PBXs.")
            return
        asyncio.run(_until_asked_to_stop())


async def _until_asked_to_stop() -> None:
    """Calls that are up stay up: whoever holds the PBX next goes on with them."""
    work = asyncio.create_task(Holders().run())
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, work.cancel)
    await asyncio.wait([work])
    if not work.cancelled():
        work.result()
