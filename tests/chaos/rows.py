"""Run inside the house: what the rows say of some campaigns, as JSON; whether they contradict each other; the audit."""

from __future__ import annotations

import io
import json
import os
import sys
from typing import Any

import django

Json = dict[str, Any]


def rows(prefix: str) -> Json:
    """Campaigns whose names begin with `prefix`, their calls and chunks, and what is left to do anywhere."""
    from django.db.models import Q

    from integrations.models import WebhookReceipt
    from telephony.models import Call, Chunk, Run, VoiceSession

    runs = Run.objects.filter(name__startswith=prefix).select_related("progress")
    calls = Call.objects.filter(run__in=runs)
    settled = calls.filter(settled_at__isnull=False, conversation_id__isnull=False)
    told = WebhookReceipt.objects.exclude(conversation_id="").values("conversation_id")
    return {
        "runs": {
            run.call_id: {
                "name": run.name,
                "status": run.status,
                "wait_reason": run.wait_reason,
                "finished": run.finished_at is not None,
                "in_flight": run.progress.in_flight,
                "pending": run.progress.pending,
            }
            for run in runs
        },
        "calls": list(
            calls.values(
                "call_id", "run__call_id", "subscriber_phone", "status", "outcome", "reason", "conversation_id"
            )
        ),
        "chunks": dict(Chunk.objects.filter(run__in=runs).values_list("key", "run__call_id")),
        "open_chunks": Chunk.objects.exclude(Q(status="done") | Q(status="dissolved")).count(),
        "open_sessions": VoiceSession.objects.filter(ended_at=None).count(),
        "strangers": Call.objects.filter(run=None).count(),
        "receipts_left": WebhookReceipt.objects.filter(next_at__isnull=False).count(),
        "gaps": settled.exclude(conversation_id__in=told).count(),
    }


def contradictions() -> str:
    """What the rows say against each other; empty where nothing."""
    from tests.dialer.truth import check_rows

    try:
        check_rows()
    except AssertionError as error:
        return str(error) or "the rows contradict each other"
    return ""


def audit() -> str:
    """What `manage.py audit_runs` finds; empty where nothing."""
    from django.core.management import call_command, get_commands

    if "audit_runs" not in get_commands():
        return ""
    said = io.StringIO()
    try:
        call_command("audit_runs", stdout=said)
    except SystemExit as ended:
        return said.getvalue() if ended.code else ""
    return ""


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aispinner.settings")
    django.setup()
    whole = {**rows(sys.argv[1]), "contradictions": contradictions(), "audit": audit()}
    sys.stdout.write(json.dumps(whole, default=str) + "\n")
