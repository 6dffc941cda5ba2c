"""Stored events applied to calls, many at once. An event that names no call we know waits until it does (7 days)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

import orjson
import structlog
from django.db import DataError, IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from aispinner.core import metrics
from aispinner.core.crash_points import Point, reach
from integrations.calls import CallReport, Phase, VoiceStack
from integrations.elevenlabs.events import report_from_webhook
from integrations.errors import ProviderError
from integrations.models import ReceiptStatus, WebhookReceipt
from telephony.dialer.ledger import DayTurnedError
from telephony.dialer.records import stop_runs
from telephony.dialer.transitions import apply_reports
from telephony.inbound.arrivals import lock_account, may_begin, new_calls
from telephony.models import Call
from telephony.voice.bridges import held
from telephony.webhooks.learning import FAILURE, learn_conversations

log = structlog.get_logger(__name__)

AT_ONCE = 100
KEPT_WAITING = timedelta(days=7)
_WAITS = tuple(timedelta(seconds=seconds) for seconds in (2, 5, 15, 60, 300, 1800))


def apply_receipts(endpoint_id: int) -> None:
    """Apply what has arrived at an endpoint and is due. Several workers at once share it; twice is as good as once."""
    again = True
    while again:
        while _apply_some(endpoint_id):
            pass
        again = learn_conversations(endpoint_id)


def _apply_some(endpoint_id: int) -> bool:
    """One round; whether another may find something that is due."""
    now = timezone.now()
    try:
        with transaction.atomic():
            receipts = _due(endpoint_id, now=now, most=AT_ONCE)
            reach(Point.RECEIPTS_TAKEN)
            limits, left = _apply(receipts, now=now)
            reach(Point.RECEIPTS_APPLIED)
    except DayTurnedError:
        return True
    except (DataError, IntegrityError):
        return _one_by_one(endpoint_id, now=now)
    stop_runs(limits, now=now)
    return left or len(receipts) == AT_ONCE


def _one_by_one(endpoint_id: int, *, now: datetime) -> bool:
    """One of them cannot be stored: apply the others, put that one off."""
    ids = WebhookReceipt.objects.filter(endpoint=endpoint_id, next_at__lte=now).values_list("pk", flat=True)
    for receipt in WebhookReceipt.objects.filter(pk__in=list(ids[:AT_ONCE])).select_related("endpoint"):
        try:
            with transaction.atomic():
                limits, _ = _apply([receipt], now=now)
            stop_runs(limits, now=now)
        except DayTurnedError:
            continue  # it is still due
        except (DataError, IntegrityError):
            log.warning("event_not_storable", receipt_id=receipt.pk, kind=receipt.kind)
            _put_off(receipt, now=now)
    return False


def _due(endpoint_id: int, *, now: datetime, most: int) -> list[WebhookReceipt]:
    due = WebhookReceipt.objects.filter(endpoint=endpoint_id, next_at__lte=now).select_related("endpoint")
    return list(due.select_for_update(skip_locked=True, no_key=True, of=("self",)).order_by("next_at", "pk")[:most])


def _apply(receipts: Sequence[WebhookReceipt], *, now: datetime) -> tuple[Mapping[int, str], bool]:
    """Apply each receipt's report to its call; of several about one call, the others are left for the next round.

    Returns the runs that met a limit, with that limit; and whether anything was left.

    A conversation that we did not start becomes a call, where it belongs to somebody here. One that a bridge of ours
    holds has two ends; what the provider says of its own waits until the session has ended.
    """
    told = {receipt: _report(receipt) for receipt in receipts}
    foreign = [report for report in told.values() if report is not None and may_begin(report)]
    if foreign:
        lock_account(receipts[0].endpoint.account_id)
    known = _calls(receipts, [report for report in told.values() if report is not None])
    foreign = [report for report in foreign if report.conversation_id not in known]
    on_bridges = held(list(known.values()))
    begun = new_calls(receipts[0].endpoint.account_id, foreign) if foreign else {}
    reports: dict[int, CallReport] = {}
    done: dict[ReceiptStatus, list[int]] = {ReceiptStatus.APPLIED: [], ReceiptStatus.IGNORED: []}
    left = False
    for receipt, report in told.items():
        if report is None:
            done[ReceiptStatus.IGNORED].append(receipt.pk)
            continue
        call = known.get(report.call_id) or known.get(report.conversation_id)
        beginning = begun.get(report.conversation_id or "")
        if (call is None and beginning is None) or call in on_bridges or _is_to_be_learned(receipt, report):
            _put_off(receipt, now=now)
        elif beginning is not None and beginning[1] is report:
            done[ReceiptStatus.APPLIED].append(receipt.pk)
        elif call is not None and call not in reports:
            reports[call] = report
            done[ReceiptStatus.APPLIED].append(receipt.pk)
        else:
            left = True
    limits = apply_reports(reports, begun=list(begun.values()), now=now, told_by="webhook")
    for status, ids in done.items():
        _done(ids, status, now=now)
    applied = [receipt for receipt in receipts if receipt.pk in set(done[ReceiptStatus.APPLIED])]
    counts: dict[metrics.Name, float] = {
        metrics.name("webhooks", result="applied"): len(applied),
        metrics.name("webhooks", result="ignored"): len(done[ReceiptStatus.IGNORED]),
        metrics.name("webhook_lag_seconds"): sum((now - receipt.received_at).total_seconds() for receipt in applied),
    }
    transaction.on_commit(partial(metrics.count_all, counts), robust=True)
    return limits, left


def _done(ids: Sequence[int], status: ReceiptStatus, *, now: datetime) -> None:
    """What was said is in the call now: the event's own text, with all it holds of people, is not kept."""
    WebhookReceipt.objects.filter(pk__in=ids).update(status=status, applied_at=now, next_at=None, body="")


def _report(receipt: WebhookReceipt) -> CallReport | None:
    try:
        return report_from_webhook(receipt.kind, orjson.loads(receipt.body)["data"])
    except ProviderError:
        log.warning("event_not_understood", receipt_id=receipt.pk, kind=receipt.kind)
        return None


def _is_to_be_learned(receipt: WebhookReceipt, report: CallReport) -> bool:
    """An event, just come, that a call could not begin, but not how it ended: its conversation is asked now."""
    return receipt.kind == FAILURE and report.phase is Phase.DISPATCHED and not receipt.attempts


def _calls(receipts: Sequence[WebhookReceipt], reports: Sequence[CallReport]) -> dict[str | None, int]:
    """The calls the reports are about, by our own id that travelled with them and by their conversation."""
    if not receipts:
        return {}
    account = receipts[0].endpoint.account_id
    over_pbx = Q(run__voice_stack=VoiceStack.CUSTOM_VOICE, run__agent__account=account)  # the PBX's lines, its agent
    calls = Call.objects.filter(Q(account_id=account) | over_pbx)
    by_id = calls.filter(call_id__in=[report.call_id for report in reports if report.call_id])
    by_conversation = calls.filter(conversation_id__in=[report.conversation_id for report in reports])
    return {
        **dict(by_conversation.values_list("conversation_id", "pk")),
        **dict(by_id.values_list("call_id", "pk")),
    }


def _put_off(receipt: WebhookReceipt, *, now: datetime) -> None:
    """Look at it again later, but not for ever."""
    if receipt.received_at + KEPT_WAITING < now:
        _done([receipt.pk], ReceiptStatus.IGNORED, now=now)
        return
    wait = _WAITS[min(receipt.attempts, len(_WAITS) - 1)]
    WebhookReceipt.objects.filter(pk=receipt.pk).update(
        status=ReceiptStatus.WAITING, attempts=receipt.attempts + 1, next_at=now + wait
    )
