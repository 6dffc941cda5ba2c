"""A workspace deleted with all that is in it, once nothing in it is unfinished."""

from __future__ import annotations

from functools import partial

import structlog
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import connection, transaction

from aispinner.core.access import workspace_for
from aispinner.core.audit import record
from aispinner.core.errors import Conflict
from aispinner.core.models import Role, Workspace
from telephony.models import Run
from telephony.recordings import recordings_of

log = structlog.get_logger(__name__)

NAMED = 5
_ROWS = (  # what may be millions; Django would load each to look for what hangs on it
    "DELETE FROM telephony_callevent WHERE workspace_id = %s",
    "DELETE FROM telephony_dial AS t USING telephony_call AS c WHERE t.call_id = c.id AND c.workspace_id = %s",
    "DELETE FROM telephony_voicesession AS t USING telephony_call AS c WHERE t.call_id = c.id AND c.workspace_id = %s",
    "DELETE FROM telephony_call WHERE workspace_id = %s",
    "DELETE FROM telephony_journaltotal WHERE workspace_id = %s",
    "DELETE FROM telephony_recipient AS t USING telephony_run AS r WHERE t.run_id = r.id AND r.workspace_id = %s",
    "DELETE FROM telephony_chunk AS t USING telephony_run AS r WHERE t.run_id = r.id AND r.workspace_id = %s",
    "DELETE FROM telephony_runprogress AS t USING telephony_run AS r WHERE t.run_id = r.id AND r.workspace_id = %s",
    "DELETE FROM telephony_run WHERE workspace_id = %s",
)


@transaction.atomic
def delete_workspace(*, user: User, workspace_id: object) -> None:
    """Delete the workspace, its calls and recordings among the rest. Conflict (409) naming unfinished campaigns.

    The row is locked against everything that would refer to it at this moment.
    """
    workspace = workspace_for(user=user, workspace_id=workspace_id, role=Role.OWNER)
    Workspace.objects.select_for_update().filter(pk=workspace.pk).first()
    workspace_for(user=user, workspace_id=workspace.pk, role=Role.OWNER)  # what was true before the lock may not be now
    _refuse_unfinished(workspace)
    with connection.cursor() as cursor:
        for statement in _ROWS:
            cursor.execute(statement, [workspace.pk])
    transaction.on_commit(partial(_delete_recordings, recordings_of(workspace.pk)), robust=True)
    log.info("workspace_deleted", workspace=workspace.pk)
    record(action="workspace.deleted", about=workspace, workspace=workspace, by=user)
    workspace.delete()


def _refuse_unfinished(workspace: Workspace) -> None:
    unfinished = Run.objects.filter(workspace=workspace, finished_at=None).order_by("pk")
    names = list(unfinished.values_list("call_id", flat=True)[: NAMED + 1])
    if names:
        more = ", …" if len(names) > NAMED else ""
        raise Conflict(
            f"Campaigns in this workspace have not ended: {', '.join(names[:NAMED])}{more}. "
            "Let them end, or cancel them; then delete it."
        )


def _delete_recordings(folder: str) -> None:
    try:
        _, names = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    for name in names:
        default_storage.delete(f"{folder}/{name}")
    default_storage.delete(folder)
