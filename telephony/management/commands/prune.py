"""`manage.py prune`: delete what is older than the workspaces' settings, or these options, keep it."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from aispinner.core.locks import named_lock
from aispinner.core.models import Workspace
from telephony.retention.daily import prune_and_record, with_retention
from telephony.retention.policy import MOST_DAYS, NAMES, Retention, is_days
from telephony.retention.prune import Pruned, Told, would_prune

EVERY = 5.0  # seconds


class Command(BaseCommand):
    help = (
        "Delete calls, what was said in them, and recordings, once they are old enough: as each workspace's settings "
        "say, or as the options say, which stand for all of its settings. Safe at any time; killed, it goes on later."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--workspace", type=int, metavar="ID", help="only this one (default: all with a setting)")
        parser.add_argument("--calls-days", type=int, metavar="N", help="delete calls older than N days")
        parser.add_argument("--transcripts-days", type=int, metavar="N", help="… what was said in older calls")
        parser.add_argument("--audio-days", type=int, metavar="N", help="… recordings of older calls")
        parser.add_argument("--dry-run", action="store_true", help="say what would be deleted, and delete nothing")

    def handle(self, *args: Any, workspace: int | None, dry_run: bool, **options: Any) -> None:
        todo = _todo(workspace, {name: options[name] for name in NAMES})
        if not todo:
            self.stdout.write("Nothing to do: no workspace has set for how long it keeps anything.")
        now = timezone.now()
        with named_lock("prune", wait=timedelta()) as mine:
            if not mine and not dry_run:
                raise CommandError("Another process is pruning just now. Try again later.")
            for each, retention in todo:
                if dry_run:
                    found = would_prune(workspace_id=each.pk, retention=retention, now=now)
                else:
                    found = prune_and_record(each, retention, now=now, told=self._now_and_then(each))
                self.stdout.write(f"Workspace {each.pk}: {'would delete' if dry_run else 'deleted'} {_words(found)}.")

    def _now_and_then(self, workspace: Workspace) -> Told:
        """Says how far it is, to whoever waits for it."""
        said = time.monotonic()

        def told(so_far: Pruned) -> None:
            nonlocal said
            if time.monotonic() - said > EVERY:
                said = time.monotonic()
                self.stdout.write(f"Workspace {workspace.pk}: {_words(so_far)} so far.")
                self.stdout.flush()

        return told


def _words(pruned: Pruned) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in asdict(pruned).items())


def _todo(workspace_id: int | None, days: dict[str, int | None]) -> list[tuple[Workspace, Retention]]:
    for name, value in days.items():
        if value is not None and not is_days(value):
            raise CommandError(f"--{name.replace('_', '-')} takes a number of days from 1 to {MOST_DAYS}.")
    said = Retention(**days)
    if workspace_id is None:
        if said:
            raise CommandError("Say which --workspace these days are for.")
        return list(with_retention())
    workspace = Workspace.objects.filter(pk=workspace_id).first()
    if workspace is None:
        raise CommandError(f"There is no workspace {workspace_id}.")
    return [(workspace, said)] if said else [each for each in with_retention() if each[0] == workspace]
