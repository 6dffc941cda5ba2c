"""Celery's tasks: ids in, one call each. The rows say what is to be done; a task may be lost, late or doubled."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from telephony.dialer import advance, bell, chunks, ends, watchdog
from telephony.dialer import sweep as sweeping
from telephony.inbound import look as looking
from telephony.retention import daily
from telephony.voice import sweep as lost_voices
from telephony.webhooks import inbox


@shared_task
def advance_run(run_id: int) -> None:
    bell.answer("advance_run", run_id)
    advance.advance_run(run_id)


@shared_task
def advance_chunk(chunk_id: int) -> None:
    bell.answer("advance_chunk", chunk_id)
    chunks.advance_chunk(chunk_id)


@shared_task
def apply_receipts(endpoint_id: int) -> None:
    bell.answer("apply_receipts", endpoint_id)
    inbox.apply_receipts(endpoint_id)


@shared_task
def look_at_conversations(account_id: int) -> None:
    bell.answer("look_at_conversations", account_id)
    looking.look(account_id)


@shared_task
def hear_ends(account_id: int) -> None:
    bell.answer("hear_ends", account_id)
    ends.hear_ends(account_id)


@shared_task
def listen() -> None:
    ends.listen()


@shared_task
def watch() -> None:
    watchdog.watch(now=timezone.now())


@shared_task
def sweep() -> None:
    sweeping.sweep(now=timezone.now())


@shared_task
def end_lost_sessions() -> None:
    lost_voices.end_lost_sessions()


@shared_task
def prune() -> None:
    daily.prune_all(now=timezone.now())
