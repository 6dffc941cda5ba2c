"""The only writer of a run's own state: each change has a version and, where it tells something, an event."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from telephony.dialer.ledger import take_numbers
from telephony.dialer.transitions import add_to_progress, locked_progress, run_event, write_events
from telephony.models import Recipient, RecipientStatus, Run, RunStatus
from telephony.realtime.rings import tell


def locked_run(run_id: int) -> Run:
    """The run, locked until commit (after its account, before its chunks and calls)."""
    return Run.objects.select_for_update(no_key=True).get(pk=run_id)


def change_run(
    run: Run,
    *,
    event: str = "",
    data: Mapping[str, Any] | None = None,
    deltas: Mapping[str, int] | None = None,
    **fields: Any,
) -> None:
    """Write `fields` of a locked run and `deltas` of its progress under one new version; `event` is told, if named."""
    for name, value in fields.items():
        setattr(run, name, value)
    if fields:
        run.save(update_fields=list(fields))
    [progress] = locked_progress([run.pk])
    numbers, at = take_numbers(2)
    add_to_progress(progress, deltas or {}, version=next(numbers))
    if event:
        write_events([run_event(run, event, dict(data or {}))], numbers, at)
    else:
        tell(run.workspace_id)


def stop_run(
    run: Run, *, reason: str, now: datetime, by: int | None = None, evidence: Mapping[str, Any] | None = None
) -> None:
    """Pause a locked, running run, for `reason` or `by` a user; it is `pausing` until its last call has ended.

    `evidence` is told with the reason.

    One that is stopping already learns the reason that would stop it again.
    """
    if run.status != RunStatus.RUNNING:
        if reason and not run.wait_reason and run.status in {RunStatus.PAUSING, RunStatus.PAUSED}:
            change_run(run, wait_reason=reason)
        return
    run.chunks.filter(next_at__isnull=False).update(next_at=now)
    change_run(
        run,
        event="run.pausing",
        data={"reason": reason, **(evidence or {})} if reason else {"by": by},
        status=RunStatus.PAUSING,
        wait_reason=reason,
        next_attempt_at=None,
        next_at=now,
    )


def cancel_pending(run: Run) -> int:
    """Cancel the recipients of a locked run that were not dialled. Returns how many; the caller counts them."""
    return Recipient.objects.filter(run=run, status=RecipientStatus.PENDING).update(status=RecipientStatus.CANCELLED)
