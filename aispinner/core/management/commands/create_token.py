"""`manage.py create_token --user NAME`: a bearer token, printed alone, for scripts that set a server up."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from aispinner.core.auth import issue_token


class Command(BaseCommand):
    """Prints the token and nothing else."""

    help = "Make a bearer token for a user and print it. It is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", required=True, help="the username")
        parser.add_argument("--name", default="", help="what uses it, for the list of tokens")

    def handle(self, *_args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["user"]).first()
        if user is None:
            raise CommandError(f"There is no user {options['user']!r}. `manage.py createsuperuser` makes one.")
        if not user.is_active:
            raise CommandError(f"The user {options['user']!r} is not active: a token would be refused.")
        self.stdout.write(issue_token(user=user, name=options["name"][:200])[1])
