"""A chunk put into the words of a voice stack."""

from __future__ import annotations

from telephony.dialer.states import TERMINAL, Status
from telephony.models import Call, Chunk
from telephony.stacks.base import Item, Order


def calls_of(chunk: Chunk) -> list[Call]:
    """The chunk's calls in the order of the list, with what an order needs of their recipients."""
    return list(chunk.calls.select_related("recipient").order_by("recipient__position"))


def order_for(chunk: Chunk, calls: list[Call]) -> Order:
    """What the stack is told of `chunk` (with its run, agent and key loaded)."""
    run = chunk.run
    return Order(
        chunk_id=chunk.pk,
        key=chunk.key,
        external_id=chunk.external_id,
        secret=chunk.api_key.key if chunk.api_key else "",
        agent_id=run.agent.elevenlabs_agent_id,
        phone_provider_id=run.phone_provider_id,
        provider_id=run.provider_id,
        account_id=run.account_id,
        api_key_id=chunk.api_key_id,
        submitted_at=chunk.submitted_at,
        items=tuple(_item(call) for call in calls),
    )


def _item(call: Call) -> Item:
    return Item(
        call_id=call.call_id,
        number=call.subscriber_phone,
        variables=(call.recipient.variables if call.recipient else None) or {},
        conversation_id=call.conversation_id,
        dispatched=call.dispatched_at is not None,
        ended=Status(call.status) in TERMINAL,
        settled=call.settled_at is not None,
    )
