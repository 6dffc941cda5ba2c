"""Events of a call that could not begin, where they do not name it or not say why: its conversation is asked.

Polling would find it too, but seconds later; a line is free now.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.db.models import F
from django.utils import timezone

from integrations.calls import CallReport
from integrations.elevenlabs.client import ElevenLabsClient
from integrations.errors import ProviderError
from integrations.models import ElevenLabsKey, KeyStatus, ReceiptStatus, WebhookEndpoint, WebhookReceipt
from telephony.dialer.records import take_in
from telephony.inbound.asking import ask
from telephony.models import Call

log = structlog.get_logger(__name__)

FAILURE = "call_initiation_failure"
AT_ONCE = 50
YOUNG = timedelta(minutes=1)


def learn_conversations(endpoint_id: int) -> bool:
    """Ask about conversations whose events could not be applied yet, once each; True: some are worth another try."""
    now = timezone.now()
    waiting = WebhookReceipt.objects.filter(
        endpoint=endpoint_id, kind=FAILURE, status=ReceiptStatus.WAITING, attempts=1, received_at__gt=now - YOUNG
    ).exclude(conversation_id="")
    found = dict(waiting.values_list("pk", "conversation_id")[:AT_ONCE])
    if not found or not waiting.filter(pk__in=found).update(attempts=F("attempts") + 1, next_at=now):
        return False
    account_id = WebhookEndpoint.objects.values_list("account_id", flat=True).get(pk=endpoint_id)
    keys = ElevenLabsKey.objects.filter(account=account_id, status=KeyStatus.WORKING)
    key = keys.order_by("-pk").first()
    if key is None:
        return False
    try:
        told = ask(ElevenLabsClient(api_key=key.key), sorted(set(found.values())))
    except ProviderError as error:
        log.info("conversations_not_learned", endpoint_id=endpoint_id, reason=error.reason.value)
        return False
    reports = {each.call_id: each for each in told.values() if isinstance(each, CallReport) and each.call_id}
    calls = Call.objects.filter(account_id=account_id, call_id__in=reports).values_list("pk", "call_id")
    take_in({pk: reports[call_id] for pk, call_id in calls}, now=now)
    return True
