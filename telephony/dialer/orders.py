"""A chunk put into the words of a voice stack."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from telephony.dialer.states import TERMINAL
from telephony.models import Chunk
from telephony.stacks.base import Item, Order


class ChunkCall(NamedTuple):
    """A call of a chunk as far as its order needs it, and how far it has come; not what was said in it."""

    pk: int
    call_id: str
    number: str
    conversation_id: str | None
    status: str
    dispatched_at: datetime | None
    ended_at: datetime | None
    settled_at: datetime | None
    variables: dict[str, Any] | None


_FIELDS = (
    "pk", "call_id", "subscriber_phone", "conversation_id", "status", "dispatched_at", "ended_at", "settled_at",
    "recipient__variables",
)  # fmt: skip


def calls_of(chunk: Chunk) -> list[ChunkCall]:
    """The chunk's calls in the order of the list."""
    return [ChunkCall(*row) for row in chunk.calls.order_by("recipient__position").values_list(*_FIELDS)]


def order_for(chunk: Chunk, calls: Sequence[ChunkCall]) -> Order:
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


def _item(call: ChunkCall) -> Item:
    return Item(
        call_id=call.call_id,
        number=call.number,
        variables=call.variables or {},
        conversation_id=call.conversation_id,
        dispatched=call.dispatched_at is not None,
        ended=call.status in TERMINAL,
        settled=call.settled_at is not None,
    )
