"""Batch calling at ElevenLabs: one batch a chunk, our ids in it so that everything can be found again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

from django.utils import timezone

from integrations.calls import CallReport, Phase
from integrations.elevenlabs.client import ElevenLabsClient
from integrations.elevenlabs.events import report_from_conversation, report_from_recipient
from integrations.elevenlabs.schemas import BatchRecipient, OutgoingRecipient
from integrations.errors import Answer, ProviderError, Reason
from integrations.http import longest_request, not_done
from integrations.models import ElevenLabsKey, PhoneProvider
from integrations.services import register_number
from telephony.inbound.asking import ask
from telephony.stacks.base import Finding, Item, Order, Poll, Trace

R = TypeVar("R")

AT_ONCE = 8  # conversations asked for side by side
MOST_LISTED = 200  # conversations looked through for those that are over
PROCESSING = "processing"  # of a conversation that is over and not analysed yet
NOT_PROCESSING = ("initiated", "in-progress", "done", "failed")
CLOCKS_DIFFER = timedelta(minutes=10)  # how far the provider's clock may be from ours


class ElevenLabsStack:
    """Chunks as batches. The chunk's key is the batch's name; each call's id is its recipient's id and user id."""

    can_hang_up = False  # the API has nothing that ends a call
    can_hear_ends = True

    def prepare(self, order: Order) -> None:
        """Have the caller's number registered at the account; found in our row after the first time."""
        if order.phone_provider_id is None or order.api_key_id is None:
            raise ProviderError(answer=Answer.REFUSED, reason=Reason.NUMBER_MISSING)
        provider = PhoneProvider.objects.get(pk=order.phone_provider_id)
        if provider.registered_account_id != order.account_id or not provider.registered_id:
            register_number(phone_provider=provider, key=ElevenLabsKey.objects.get(pk=order.api_key_id))

    def submit(self, order: Order) -> str:
        """POST one batch with every call of the order. Equal submits are two batches: never repeated here.

        Not done where we stalled on the way for so long that somebody may be looking already for what became of it.
        """
        provider = PhoneProvider.objects.get(pk=order.phone_provider_id or 0)
        recipients = [_recipient(item) for item in order.items if not item.ended]
        if order.submitted_at + longest_request() < timezone.now():
            raise not_done()
        batch = self._client(order.secret).submit_batch(
            call_name=order.key,
            agent_id=order.agent_id,
            agent_phone_number_id=provider.registered_id,
            recipients=recipients,
            target_concurrency_limit=len(recipients),
        )
        return batch.id

    def find(self, order: Order) -> Finding:
        """Among the agent's batches by name, then among the conversations by each call's id. What an event has told of
        one of its calls proves that it arrived, however little of that is listed.
        """
        client = self._client(order.secret)
        for batch in client.list_batches(agent_id=order.agent_id, until=order.submitted_at - CLOCKS_DIFFER):
            if batch.name == order.key:
                return Finding(trace=Trace.FOUND, external_id=batch.id)
        for conversation in _side_by_side(lambda item: _conversation_of(client, item), order.items):
            if conversation is not None:
                batch_call = (conversation.get("metadata") or {}).get("batch_call") or {}
                return Finding(trace=Trace.FOUND, external_id=str(batch_call.get("batch_call_id") or ""))
        heard_of = any(item.conversation_id for item in order.items)
        return Finding(trace=Trace.FOUND if heard_of else Trace.NO_TRACE)

    def poll(self, order: Order) -> Poll:
        """One request for the batch, one for each conversation that has ended and is not settled."""
        client = self._client(order.secret)
        recipients, gone = _recipients(client, order)
        items = [item for item in order.items if not item.settled]
        told = _side_by_side(lambda item: _told(client, item, recipients.get(item.call_id)), items)
        reports = {item.call_id: each for item, each in zip(items, told, strict=True) if isinstance(each, CallReport)}
        return Poll(reports=reports, gone=gone, error=next((e for e in told if isinstance(e, ProviderError)), None))

    def over(self, secret: str, *, since: datetime) -> Collection[str]:
        """Those that are being analysed just now, and in which time went by: of another it shows later how it ended."""
        listed = self._client(secret).list_conversations(started_after=since - CLOCKS_DIFFER, without=NOT_PROCESSING)
        first = islice(listed, MOST_LISTED)
        return [each.conversation_id for each in first if each.status == PROCESSING and each.duration_sec]

    def read(self, secret: str, conversations: Sequence[str]) -> Poll:
        """One request for each, side by side."""
        told = ask(self._client(secret), conversations)
        reports = {id_: each for id_, each in told.items() if isinstance(each, CallReport)}
        return Poll(reports=reports, error=next((e for e in told.values() if isinstance(e, ProviderError)), None))

    def cancel(self, order: Order) -> None:
        """Take the undialled recipients back; a batch that is gone has none."""
        if not order.external_id:
            return
        try:
            self._client(order.secret).cancel_batch(order.external_id)
        except ProviderError as error:
            if error.reason is not Reason.NOT_FOUND:
                raise

    def hang_up(self, order: Order) -> None:
        """Never asked: nothing could be done."""

    def _client(self, secret: str) -> ElevenLabsClient:
        if not secret:
            raise ProviderError(answer=Answer.REFUSED, reason=Reason.KEY_REFUSED)
        return ElevenLabsClient(api_key=secret)


def _recipient(item: Item) -> OutgoingRecipient:
    return OutgoingRecipient(
        id=item.call_id,
        phone_number=item.number,
        user_id=item.call_id,
        dynamic_variables={**item.variables, "call_id": item.call_id},
    )


def _recipients(client: ElevenLabsClient, order: Order) -> tuple[dict[str, BatchRecipient], bool]:
    if not order.external_id:
        return {}, True
    try:
        batch = client.get_batch(order.external_id)
    except ProviderError as error:
        if error.reason is not Reason.NOT_FOUND:
            raise
        return {}, True
    return {recipient.id or recipient.user_id: recipient for recipient in batch.recipients}, False


def _told(client: ElevenLabsClient, item: Item, recipient: BatchRecipient | None) -> CallReport | ProviderError | None:
    """`_report`, or why there is none: one call that cannot be asked about hides nothing of the others."""
    try:
        return _report(client, item, recipient)
    except ProviderError as error:
        return error


def _report(client: ElevenLabsClient, item: Item, recipient: BatchRecipient | None) -> CallReport | None:
    """What is known of one unsettled call: its recipient says how far it is, its conversation how it ended."""
    told = report_from_recipient(recipient) if recipient is not None else None
    if told is not None and told.phase is not Phase.ENDED and not item.ended:
        return told
    conversation_id = item.conversation_id or (recipient.conversation_id if recipient else None)
    if conversation_id is None:
        conversation = _conversation_of(client, item)
        return told if conversation is None else report_from_conversation(conversation)
    try:
        return report_from_conversation(client.get_conversation(conversation_id))
    except ProviderError as error:
        if error.reason is not Reason.NOT_FOUND:
            raise
        # It may only be late: what its recipient tells is taken over, and it is asked for again until it must be there.
        told = report_from_recipient(recipient, conversation_gone=True) if recipient is not None else None
        return replace(told, settled=False) if told is not None else None


def _conversation_of(client: ElevenLabsClient, item: Item) -> dict[str, Any] | None:
    """The conversation that carries our call's id, where there is one."""
    found = next(iter(client.list_conversations(user_id=item.call_id)), None)
    return client.get_conversation(found.conversation_id) if found is not None else None


def _side_by_side(ask: Callable[[Item], R], items: Sequence[Item]) -> list[R]:
    """Ask about several calls at once; the first error is raised when all have answered."""
    if len(items) < 2:
        return [ask(item) for item in items]
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(items)), thread_name_prefix="elevenlabs") as pool:
        return list(pool.map(ask, items))
