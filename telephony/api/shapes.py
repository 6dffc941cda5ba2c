"""How campaigns, calls and events look on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from aispinner.core.media import sign_media
from telephony.journal.campaigns import CampaignRow
from telephony.journal.page import Journal
from telephony.journal.query import CallRow
from telephony.models import CallEvent, Run

RUN_RELATIONS = ("progress", "node", "agent__node")


def run_json(run: Run) -> dict[str, Any]:
    """A campaign. Its counts are of recipients and always add up to `numbers_count`; `child_count` is of calls."""
    progress = run.progress
    return {
        "call_id": run.call_id,
        "name": run.name,
        "status": str(run.status),
        "workspace_id": run.workspace_id,
        "node_id": run.node.node_id,
        "agent_node_id": run.agent.node.node_id,
        "max_concurrent": run.max_concurrent,
        "pacing": str(run.pacing),
        "voice_stack": str(run.voice_stack),
        "numbers_count": progress.numbers_count,
        "pending_count": progress.pending,
        "remaining_count": progress.pending,
        "in_flight_count": progress.in_flight,
        "success_count": progress.success,
        "failed_count": progress.failed,
        "cancelled_count": progress.cancelled,
        "child_count": progress.child_count,
        "total_duration_sec": progress.total_duration_sec,
        "wait_reason": run.wait_reason or None,
        "next_attempt_at": run.next_attempt_at,
        "chunks_total": progress.chunks_total,
        "chunks_done": progress.chunks_done,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "pruned_at": run.pruned_at,
        "version": progress.version,
    }


def campaign_json(row: CampaignRow) -> dict[str, Any]:
    """A campaign beside a page of the journal."""
    return {
        "call_id": row.call_id,
        "name": row.name,
        "status": row.status,
        "numbers_count": row.numbers_count,
        "child_count": row.child_count,
        "success_count": row.success,
        "failed_count": row.failed,
        "total_duration_sec": row.total_duration_sec,
        "pending_count": row.pending,
        "in_flight_count": row.in_flight,
        "cancelled_count": row.cancelled,
        "wait_reason": row.wait_reason or None,
        "workspace_id": row.workspace_id,
        "node_id": row.node_id,
        "created_at": row.created_at,
        "finished_at": row.finished_at,
        "version": row.version,
    }


def call_json(row: CallRow, *, parent: str | None, node_ids: Mapping[int, str], root: str) -> dict[str, Any]:
    """A journal call. `parent` is its campaign's call_id; `root` the server's address, for `audio_url`.

    The transcript goes out as the JSON text it is stored as. Times are UTC; durations in seconds.
    """
    node = row.pbx_node_id or row.phone_node_id
    return {
        "id": row.id,
        "call_id": row.call_id,
        "status": row.status,
        "subscriber_phone": row.subscriber_phone,
        "duration_sec": row.duration_sec,
        "summary": row.summary,
        "transcript": orjson.Fragment(row.transcript),
        "created_at": row.created_at,
        "conversation_id": row.conversation_id,
        "has_audio": row.has_audio,
        "parent_call_id": parent,
        "version": row.version,
        "outcome": row.outcome or None,
        "reason": row.reason or None,
        "disposition": row.disposition or None,
        "direction": row.direction,
        "workspace_id": row.workspace_id,
        "node_id": node_ids.get(node) if node else None,
        "phone_node_id": node_ids.get(row.phone_node_id) if row.phone_node_id else None,
        "agent_node_id": node_ids.get(row.agent_node_id) if row.agent_node_id else None,
        "audio_url": audio_url(row.call_id, root=root) if row.has_audio else None,
        "dispatched_at": row.dispatched_at,
        "answered_at": row.answered_at,
        "ended_at": row.ended_at,
    }


def audio_url(call_id: str, *, root: str) -> str:
    """An address that plays this one recording for an hour, without any other credentials."""
    return f"{root}/telephony/calls/{call_id}/audio?token={sign_media(call_id)}"


def journal_json(journal: Journal, *, root: str) -> dict[str, Any]:
    """A page of the journal."""
    parents = {row.run_id: row.call_id for row in journal.campaigns}
    return {
        "total": journal.total.calls,
        "total_duration_sec": journal.total.duration_sec,
        "total_capped": journal.total.capped,
        "max_id": journal.point.max_id,
        "max_version": journal.point.max_version,
        "has_more": journal.has_more,
        "calls": [
            call_json(row, parent=parents.get(row.run_id) if row.run_id else None, node_ids=journal.node_ids, root=root)
            for row in journal.calls
        ],
        "campaigns": [campaign_json(row) for row in journal.campaigns],
    }


def event_json(event: CallEvent) -> dict[str, Any]:
    """Something that happened; `call_id` is the call's, or the campaign's where it is the campaign's own."""
    subject = event.call if event.call is not None else event.run
    return {
        "id": event.pk,
        "type": event.type,
        "call_id": subject.call_id if subject else None,
        "at": event.at,
        "data": event.data,
    }
