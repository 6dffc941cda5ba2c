"""`manage.py audit_runs`: does everything that always holds hold now? Exits 1, with a table, where it does not."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from aispinner.core.snapshot import one_snapshot
from telephony.audit.checks import CHECKS, PROGRESS, TOTALS
from telephony.audit.look import Difference, differences
from telephony.audit.repair import repair_progress, repair_totals
from telephony.models import Run

SHOWN = 20  # differences of one kind


class Command(BaseCommand):
    help = "Derive every counter and invariant of campaigns anew from their rows, as of one moment. Safe at any time."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--run", metavar="camp_…", help="only this campaign")
        parser.add_argument("--repair", action="store_true", help="set wrong counters right (and nothing else)")

    def handle(self, *args: Any, run: str | None, repair: bool, **options: Any) -> None:
        run_id = _run_id(run) if run else None
        found = self._look(run_id)
        if found and repair:
            progress = repair_progress({each.where for each in found if each.check == PROGRESS.name})
            totals = repair_totals() if any(each.check == TOTALS.name for each in found) else 0
            self.stdout.write(f"\nRepaired: {progress} counters of campaigns, {totals} totals of the journal.\n\n")
            found = self._look(run_id)
        if found:
            sys.exit(1)

    def _look(self, run_id: int | None) -> list[Difference]:
        began = time.monotonic()
        with one_snapshot():
            found = differences(run_id=run_id)
        if found:
            self.stdout.write("\n".join(_table(found)))
        asked = [check for check in CHECKS if run_id is None or check.of_one_run]
        took = time.monotonic() - began
        told = f"{len(found)} differences" if found else "No difference"
        self.stdout.write(f"{told} in {len(asked)} checks ({took:.1f} s).")
        return found


def _run_id(call_id: str) -> int:
    found = Run.objects.filter(call_id=call_id).values_list("pk", flat=True).first()
    if found is None:
        raise CommandError(f"There is no campaign {call_id}.")
    return found


def _table(found: Sequence[Difference]) -> list[str]:
    """Aligned columns; of each kind the first few."""
    rows = [("check", "where", "what", "stored", "derived")]
    for name, group in groupby(found, key=lambda each: each.check):
        same = list(group)
        rows += [(name, each.where, each.what, each.stored, each.derived) for each in same[:SHOWN]]
        if len(same) > SHOWN:
            rows.append((name, f"… and {len(same) - SHOWN} more", "", "", ""))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
