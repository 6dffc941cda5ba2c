"""What the page of one call shows: the conversation as it went, the recording, and what happened when."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django.utils import timezone
from django.utils.safestring import SafeString

from aispinner.core.admin_html import duration, when
from aispinner.core.media import sign_media
from telephony.admin.pieces import link, number_of, render
from telephony.admin.words import call_badge, disposition_badge, event_words, plain
from telephony.models import Call, CallEvent, CallStatus, Direction

EVENTS_SHOWN = 200
RESULTS_WITHIN = timedelta(minutes=15)


def call_parts(call: Call) -> dict[str, SafeString]:
    """The live parts of the page by name."""
    turns, live = conversation(call.transcript), is_live(call)
    return {
        "head": _head(call),
        "audio": render("call/audio", call=call, url=audio_url(call) if call.has_audio else "", live=live),
        "conversation": render("call/conversation", call=call, turns=turns, live=live, empty=_no_conversation(call)),
        "timeline": render("timeline", events=list(map(event_words, _events(call))), empty="Nothing has happened yet."),
    }


def _head(call: Call) -> SafeString:
    return render(
        "call/head",
        call=call,
        number=number_of(call),
        badge=call_badge(call),
        disposition=disposition_badge(call),
        reason=plain(call.reason) if call.outcome else "",
        duration=duration(call.duration_sec),
        at=when(call.created_at),
    )


def is_live(call: Call) -> bool:
    """Whether it is worth asking again: the call goes on, or has ended so lately that its results may come."""
    if call.ended_at is None:
        return True
    return call.settled_at is None and timezone.now() - call.ended_at < RESULTS_WITHIN


def conversation(transcript: str) -> list[dict[str, Any]]:
    """The turns of a transcript (JSON text): who speaks, what, and when; what cannot be read is left out."""
    try:
        turns = json.loads(transcript or "[]")
    except ValueError:
        return []
    if not isinstance(turns, list):
        return []
    return [
        {"by_agent": turn.get("role") == "agent", "message": turn["message"], "at": at, "clock": _clock(at)}
        for turn in turns
        if isinstance(turn, dict) and isinstance(turn.get("message"), str) and turn["message"].strip()
        for at in [_seconds(turn.get("time_in_call_secs"))]
    ]


def facts(call: Call) -> list[tuple[str, object]]:
    """Everything else that is known of the call."""
    rows: list[tuple[str, object]] = [
        ("Call id", call.call_id),
        ("Journal id", f"{call.pk} (version {call.version})"),
        ("Workspace", call.workspace),
        ("Direction", call.get_direction_display()),
        ("Campaign", link(call.run, "telephony_run_change", call.run.pk) if call.run else "—"),
        ("PBX", call.pbx_node or "—"),
        ("Phone number", call.phone_node or "—"),
        ("Agent", call.agent_node or "—"),
        ("Account", call.account or "—"),
        ("Conversation id", call.conversation_id or "—"),
        ("Created", when(call.created_at)),
        ("Dialled", when(call.dispatched_at)),
        ("Answered", when(call.answered_at)),
        ("Ended", when(call.ended_at)),
        ("Settled", when(call.settled_at)),
    ]
    return [row for row in rows if row[1] != "—"]


def audio_url(call: Call) -> str:
    """Where the recording is played from, with a token for this call alone."""
    return f"/telephony/calls/{call.call_id}/audio?token={sign_media(call.call_id)}"


def _events(call: Call) -> list[CallEvent]:
    return list(CallEvent.objects.filter(call=call).order_by("-pk")[:EVENTS_SHOWN])


def _no_conversation(call: Call) -> str:
    if call.ended_at is None:
        return "The conversation appears here when the call has ended."
    if call.status == CallStatus.DONE:
        return (
            "The transcript has not arrived yet."
            if call.settled_at is None
            else "ElevenLabs kept no transcript of this call."
        )
    if call.direction == Direction.OUTBOUND:
        return "Nobody answered, so nothing was said."
    return "Nothing was said."


def _seconds(value: object) -> float:
    return max(float(value), 0.0) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
