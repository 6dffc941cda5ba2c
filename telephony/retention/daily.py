"""Every workspace's own rule, carried out: once a day by beat, or by hand with `manage.py prune`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timedelta

import structlog
from django.db import transaction

from aispinner.core.audit import record
from aispinner.core.locks import named_lock
from aispinner.core.models import Workspace
from telephony.retention.policy import Retention, retentions
from telephony.retention.prune import Pruned, Told, prune

log = structlog.get_logger(__name__)


def prune_all(*, now: datetime) -> None:
    """Carry out what the workspaces have set. Where another is at it, nothing."""
    with named_lock("prune", wait=timedelta()) as mine:
        for workspace, retention in with_retention() if mine else ():
            prune_and_record(workspace, retention, now=now)


def with_retention() -> Iterator[tuple[Workspace, Retention]]:
    """The workspaces that have set something, and what."""
    found = retentions()
    for workspace in Workspace.objects.filter(pk__in=list(found)).order_by("pk"):
        yield workspace, found[workspace.pk]


def prune_and_record(
    workspace: Workspace, retention: Retention, *, now: datetime, told: Told = lambda _so_far: None
) -> Pruned:
    """Prune one workspace; where anything was deleted, the audit trail says how much."""
    done = prune(workspace_id=workspace.pk, retention=retention, now=now, told=told)
    changes = {name: count for name, count in asdict(done).items() if count}
    if changes:
        with transaction.atomic():
            record(action="journal.pruned", about=workspace, workspace=workspace, changes=changes)
    log.info("pruned", workspace_id=workspace.pk, **asdict(done))
    return done
