"""Campaigns' results as files: one as CSV, several as a ZIP of them. That somebody took them is written down."""

from __future__ import annotations

from collections.abc import Sequence
from tempfile import TemporaryFile
from zipfile import ZIP_DEFLATED, ZipFile

from django.http import FileResponse, StreamingHttpResponse
from django.utils import timezone

from aispinner.core.audit import record
from telephony.api.export import csv_file
from telephony.journal.export import results_csv
from telephony.models import Run

MOST_EXPORTED = 50  # campaigns in one ZIP


def results_of(run: Run) -> StreamingHttpResponse:
    """A row for each number, as it is read."""
    _record(run)
    return csv_file(results_csv(run_id=run.pk), name=run.call_id)


def results_together(runs: Sequence[Run]) -> FileResponse:
    """A CSV for each campaign, named after its id."""
    packed = TemporaryFile()  # noqa: SIM115 - closed with the answer
    with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
        for run in runs:
            _record(run)
            with archive.open(f"{run.call_id}.csv", "w") as part:
                for lines in results_csv(run_id=run.pk):
                    part.write(lines)
    packed.seek(0)
    return FileResponse(packed, as_attachment=True, filename=f"campaigns-{timezone.now():%Y-%m-%d}.zip")


def _record(run: Run) -> None:
    record(action="campaign.exported", about=run, workspace=run.workspace)
