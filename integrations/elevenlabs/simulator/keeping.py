"""How batches, calls, dials, webhooks on their way and orders are put into the diary, and come out of it again."""

from __future__ import annotations

import time
from dataclasses import fields
from typing import Any, TypeVar

from .agent_defaults import build_agent
from .diary import Diary, Entry
from .stories import Script, Story, Turn
from .world import Account, Batch, Conversation, LedgerEntry, Recipient, World

Json = dict[str, Any]
T = TypeVar("T")
_PROGRESS = (
    "target_limit", "retry_count", "dispatched", "finished", "in_flight", "cancelled", "broken", "updated_at",
)  # fmt: skip


def batch_entries(account: Account, batch: Batch) -> list[Entry]:
    """A batch as it was submitted, and how it is now."""
    submitted = {
        "account": account.name,
        "body": batch.body,
        "agent_name": batch.agent_name,
        "phone": batch.phone,
        "created_at": batch.created_at,
        "scheduled_at": batch.scheduled_at,
        "recipients": [[one.id, one.number, one.client_data] for one in batch.recipients],
    }
    return [("batch", batch.id, submitted), *progress_entries(batch, *batch.recipients)]


def progress_entries(batch: Batch, *recipients: Recipient) -> list[Entry]:
    """How far a batch is, and these of its recipients."""
    progress: list[Entry] = [("progress", batch.id, {name: getattr(batch, name) for name in _PROGRESS})]
    return progress + [
        (
            "recipient",
            f"{batch.id}/{one.place}",
            [one.status, one.conversation_id, one.created_at, one.updated_at, one.dispatched_at],
        )
        for one in recipients
    ]


def call_entries(account: Account, call: Conversation) -> list[Entry]:
    """A call with what it has moved: its recipient, its batch, its line in the ledger."""
    kept = {
        **vars(call),
        "account": account.name,
        "agent": call.agent_id,
        "batch": call.batch.id if call.batch else None,
        "recipient": call.recipient.place if call.recipient else None,
        "ledger": call.ledger.seq if call.ledger else None,
        "sound": None,
    }
    entries: list[Entry] = [("call", call.id, kept)]
    if call.ledger is not None:
        entries.append(("dial", str(call.ledger.seq), call.ledger))
    if call.batch is not None:
        entries += progress_entries(call.batch, *([call.recipient] if call.recipient else []))
    return entries


def restore(world: World, diary: Diary) -> dict[str, dict[str, Any]]:
    """Fill a fresh world with what is in the diary; returns what was read, for those who keep other things there."""
    things = diary.read()
    orders = things.get("orders", {})
    world.scripts.update({number: Script(**script) for number, script in orders.get("scripts", {}).items()})
    for name, limit in orders.get("limits", {}).items():
        world.account(name).limit = limit
    world.ledger = [LedgerEntry(**entry) for entry in things.get("dial", {}).values()]
    batches = _batches(world, things)
    for id_, kept in things.get("call", {}).items():
        _restore_call(world, id_, kept, batches)
    _count_lines(world)
    world.mirror_what_is_missing()
    return things


def _batches(world: World, things: dict[str, dict[str, Any]]) -> dict[str, Batch]:
    batches: dict[str, Batch] = {}
    for id_, kept in things.get("batch", {}).items():
        account = world.account(kept.pop("account"))
        recipients = []
        for place, (recipient_id, number, client_data) in enumerate(kept.pop("recipients")):
            status, conversation_id, created_at, updated_at, dispatched_at = things["recipient"][f"{id_}/{place}"]
            recipient = Recipient(recipient_id, number, client_data, created_at, updated_at, place=place)
            recipient.status, recipient.conversation_id = status, conversation_id
            recipient.dispatched_at = dispatched_at
            recipients.append(recipient)
        batch = batches[id_] = Batch(id=id_, recipients=recipients, **kept, **things["progress"][id_])
        account.batches[id_] = batch
        batch.pending.extend(one for one in recipients if one.status == "pending")
        if batch.pending:
            account.open_batches.append(batch)
    return batches


def _restore_call(world: World, id_: str, kept: Json, batches: dict[str, Batch]) -> None:
    account = world.account(kept.pop("account"))
    agent_id, seq, place = kept.pop("agent"), kept.pop("ledger"), kept.pop("recipient")
    batch = batches.get(kept.pop("batch") or "")
    call = Conversation(
        **{
            **_known(Conversation, kept),
            "agent": account.agents.get(agent_id) or build_agent(agent_id, {"name": "Deleted"}, now=int(time.time())),
            "story": Story(**kept["story"]),
            "turns": [Turn(**turn) for turn in kept["turns"]],
            "batch": batch,
            "recipient": batch.recipients[place] if batch is not None and place is not None else None,
            "ledger": world.ledger[seq - 1] if seq is not None else None,
        }
    )
    account.keep(call)
    world.sequence = max(world.sequence, call.seq)


def _known(kind: type, kept: Json) -> Json:
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in kept.items() if name in names}


def _count_lines(world: World) -> None:
    for account in world.accounts.values():
        for batch in account.batches.values():
            for recipient in batch.recipients:
                if recipient.status == "dispatched":
                    account.take_line(batch.body["agent_id"])
        for call in account.conversations.values():
            if call.ended_at is None:
                account.take_line(call.agent_id)
            if call.ledger is not None:
                account.count_dial(call.agent_id, at=call.ledger.placed_at)
