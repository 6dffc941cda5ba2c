"""Calls whose bridge has died are ended within seconds: nothing stays in progress with nobody at its ends."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

import structlog
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from integrations.calls import CallReport, Outcome, Phase
from telephony.dialer.transitions import apply_reports
from telephony.models import VoiceBridge, VoiceSession
from telephony.voice.bridges import SILENT_AFTER

log = structlog.get_logger(__name__)

BRIDGE_LOST = "bridge_lost"
LOST = CallReport(phase=Phase.ENDED, outcome=Outcome.ERROR, reason=BRIDGE_LOST)
_UP_FOR_LONG = "SELECT pg_postmaster_start_time() < clock_timestamp() - make_interval(secs => %s)"
MOST = 200  # sessions in one sweep
KEPT_FOR = timedelta(hours=1)  # the row of a bridge that died


def end_lost_sessions() -> int:
    """End the sessions of bridges that are gone or silent; returns how many."""
    if not _database_is_up_for_long():
        return 0
    gone = Q(bridge=None) | Q(bridge__seen_at__lt=Now() - SILENT_AFTER)
    lost = list(VoiceSession.objects.filter(gone, ended_at=None).select_related("call").order_by("pk")[:MOST])
    end_sessions(lost)
    VoiceBridge.objects.filter(seen_at__lt=Now() - KEPT_FOR).delete()
    return len(lost)


def end_sessions(sessions: Collection[VoiceSession]) -> None:
    """End these sessions and their calls. What was a conversation is settled by the provider's record of it."""
    if not sessions:
        return
    with transaction.atomic():
        apply_reports({session.pk: _report(session) for session in sessions}, now=timezone.now())
        rows = VoiceSession.objects.filter(pk__in=[session.pk for session in sessions], ended_at=None)
        rows.update(ended_at=timezone.now(), end_reason=BRIDGE_LOST)
    log.warning("voice_sessions_lost", sessions=len(sessions))


def _report(session: VoiceSession) -> CallReport:
    settled = session.call.conversation_id is None
    return CallReport(phase=LOST.phase, outcome=LOST.outcome, reason=LOST.reason, settled=settled)


def _database_is_up_for_long() -> bool:
    """After the database was away, bridges get the time to say that they live."""
    with connection.cursor() as cursor:
        cursor.execute(_UP_FOR_LONG, [2 * SILENT_AFTER.total_seconds()])
        return bool(cursor.fetchone()[0])
