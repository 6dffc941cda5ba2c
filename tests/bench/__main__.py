"""Run inside `./dev bench`: Django, and the tables in a database that is gone afterwards."""

from __future__ import annotations

import os
import sys

import django


def prepare() -> None:
    """Django, ready to be used."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aispinner.settings")
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from tests.bench.databases import keep_template

    keep_template()


if __name__ == "__main__":
    prepare()
    from tests.bench.command import main

    sys.exit(main(sys.argv[1:]))
