"""Stored events applied to calls. An event that names no call we know waits until its conversation is learned."""

from __future__ import annotations

from datetime import datetime, timedelta

import orjson
import structlog
from django.utils import timezone

from integrations.calls import CallReport
from integrations.elevenlabs.events import report_from_webhook
from integrations.errors import ProviderError
from integrations.models import ReceiptStatus, WebhookReceipt
from telephony.dialer.records import take_in
from telephony.models import Call

log = structlog.get_logger(__name__)

KEPT_WAITING = timedelta(days=7)
_WAITS = tuple(timedelta(seconds=seconds) for seconds in (2, 5, 15, 60, 300, 1800))


def apply_receipt(receipt_id: int) -> None:
    """Apply one stored event; twice, or by two workers at once, is as good as once."""
    now = timezone.now()
    receipt = WebhookReceipt.objects.select_related("endpoint").filter(pk=receipt_id, next_at__isnull=False).first()
    if receipt is None:
        return
    report = _report(receipt)
    call_pk = _call(receipt, report) if report is not None else None
    if report is None:
        _done(receipt, ReceiptStatus.IGNORED, now=now)
    elif call_pk is not None:
        take_in({call_pk: report}, now=now)
        _done(receipt, ReceiptStatus.APPLIED, now=now)
    elif receipt.received_at + KEPT_WAITING < now:
        _done(receipt, ReceiptStatus.IGNORED, now=now)
    else:
        wait = _WAITS[min(receipt.attempts, len(_WAITS) - 1)]
        WebhookReceipt.objects.filter(pk=receipt.pk, next_at__isnull=False).update(
            status=ReceiptStatus.WAITING, attempts=receipt.attempts + 1, next_at=now + wait
        )


def _report(receipt: WebhookReceipt) -> CallReport | None:
    try:
        return report_from_webhook(receipt.kind, orjson.loads(receipt.body)["data"])
    except ProviderError:
        log.warning("event_not_understood", receipt_id=receipt.pk, kind=receipt.kind)
        return None


def _call(receipt: WebhookReceipt, report: CallReport) -> int | None:
    """The call an event is about: by our own id that travelled with it, else by its conversation."""
    calls = Call.objects.filter(account_id=receipt.endpoint.account_id).values_list("pk", flat=True)
    if report.call_id is not None and (pk := calls.filter(call_id=report.call_id).first()) is not None:
        return pk
    return calls.filter(conversation_id=report.conversation_id).first() if report.conversation_id else None


def _done(receipt: WebhookReceipt, status: ReceiptStatus, *, now: datetime) -> None:
    """What was said is in the call now: the event's own text, with all it holds of people, is not kept."""
    WebhookReceipt.objects.filter(pk=receipt.pk).update(status=status, applied_at=now, next_at=None, body="")
