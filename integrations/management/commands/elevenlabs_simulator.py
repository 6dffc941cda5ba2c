"""`python manage.py elevenlabs_simulator`: the simulated ElevenLabs for demo, tests and development."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations.elevenlabs.simulator.server import add_arguments, config_from_arguments, serve


class Command(BaseCommand):
    """Serves the simulator in the foreground. It has a world of its own and needs no database."""

    help = "Serve a simulated ElevenLabs that answers in the documented shapes and plays calls."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        add_arguments(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            config = config_from_arguments(options)
        except ValueError as error:
            raise CommandError(str(error)) from error
        serve(config, host=options["host"], port=options["port"])
