"""`manage.py rotate_encryption_keys`: everything encrypted, encrypted with the newest of FERNET_KEYS."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from aispinner.core.rotation import UndecryptableError, encrypted_columns, rotate


class Command(BaseCommand):
    """Says for each column how many values it changed."""

    help = (
        "Encrypt anew with the first of FERNET_KEYS whatever is encrypted with another of them. "
        "May be interrupted and repeated; when it has run through, the other keys can be taken out."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        total = 0
        for column in encrypted_columns():
            try:
                changed, seen = rotate(column)
            except UndecryptableError as error:
                raise CommandError(str(error)) from None
            total += changed
            self.stdout.write(f"{column.name}: {changed} of {seen} values encrypted anew")
        self.stdout.write(f"{total} values encrypted anew with the newest key.")
