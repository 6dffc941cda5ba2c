"""`manage.py demo_data`: load the demo data; prints the demo user's token as JSON."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.utils import timezone

from aispinner.core.auth import issue_token
from aispinner.core.errors import Problem
from telephony.demo import PBX, load_demo, loaded_demo
from telephony.demo_history import load_history


class Command(BaseCommand):
    help = "Load the demo data (login demo/demo) and print a token of the demo user. For trying things out only."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--pbx", default=PBX, help="where the simulated PBX answers")
        parser.add_argument("--history", action="store_true", help="a past week for demo data without any call yet")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.HTTPS:
            raise CommandError("This server is public, and demo/demo would be an open door. Create a user instead.")
        try:
            if options["history"]:
                demo = loaded_demo()
                load_history(workspace=demo.workspace, user=demo.user, now=timezone.now())
            else:
                demo = load_demo(pbx=options["pbx"])
        except Problem as problem:
            raise CommandError(str(problem.detail)) from problem
        _count_on_from_what_was_given()
        _, token = issue_token(user=demo.user, name="demo")
        self.stdout.write(json.dumps({"user": demo.user.username, "workspace_id": demo.workspace.pk, "token": token}))


def _count_on_from_what_was_given() -> None:
    """The demo workspace's id was given, not drawn: have the next one drawn after it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT setval(pg_get_serial_sequence('core_workspace', 'id'), (SELECT max(id) FROM core_workspace))"
        )
