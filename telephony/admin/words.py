"""How the admin says what the rows say: tones of statuses, and sentences for why a campaign waits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from django.utils.safestring import SafeString

from aispinner.core.admin_html import Tone, ago, badge, duration
from integrations.calls import Disposition, Outcome
from telephony.models import Call, CallEvent, CallStatus, Chunk, ChunkStatus, Run, RunStatus

RUN_TONES: Mapping[str, Tone] = MappingProxyType(
    {
        RunStatus.RUNNING: "live",
        RunStatus.PAUSING: "wait",
        RunStatus.PAUSED: "wait",
        RunStatus.COMPLETED: "ok",
        RunStatus.CANCELLED: "idle",
    }
)
CALL_TONES: Mapping[str, Tone] = MappingProxyType(
    {
        CallStatus.QUEUED: "idle",
        CallStatus.DIALING: "live",
        CallStatus.RINGING: "live",
        CallStatus.IN_PROGRESS: "live",
        CallStatus.DONE: "ok",
        CallStatus.FAILED: "bad",
        CallStatus.CANCELLED: "idle",
    }
)
OUTCOME_TONES: Mapping[str, Tone] = MappingProxyType(
    {
        Outcome.ANSWERED: "ok",
        Outcome.VOICEMAIL: "voice",
        Outcome.NO_ANSWER: "wait",
        Outcome.BUSY: "wait",
        Outcome.CANCELLED: "idle",
    }
)
CHUNK_TONES: Mapping[str, Tone] = MappingProxyType(
    {
        ChunkStatus.SUBMITTING: "live",
        ChunkStatus.DIALING: "live",
        ChunkStatus.DONE: "ok",
        ChunkStatus.RATE_LIMITED: "wait",
        ChunkStatus.UNKNOWN: "wait",
        ChunkStatus.DISSOLVED: "idle",
    }
)
DISPOSITION_TONES: Mapping[str, Tone] = MappingProxyType(
    {Disposition.SUCCESS: "ok", Disposition.FAILURE: "bad", Disposition.UNKNOWN: "idle"}
)

# reason → (in a few words, what it means and what to do)
WAITS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "rate_limited": ("Rate limit", "ElevenLabs asked us to slow down. Dialling goes on by itself."),
        "no_capacity": ("No free line", "All lines of the account are busy. Dialling goes on as soon as one is free."),
        "provider_down": ("Provider away", "ElevenLabs does not answer. We keep trying; no number loses its attempt."),
        "quota_exhausted": ("Credits used up", "The ElevenLabs account has no credits left. Top it up, then resume."),
        "key_refused": ("Key refused", "ElevenLabs refuses the API key. Add a working key, then resume."),
        "agent_missing": ("Agent missing", "The agent no longer exists at ElevenLabs. Adopt it again, then resume."),
        "number_missing": (
            "Number missing",
            "The phone number is not registered at ElevenLabs. Check the phone provider, then resume.",
        ),
        "breaker": (
            "Too many failures",
            "Calls kept failing at their start, so dialling stopped. Look at the latest calls, then resume.",
        ),
        "internal_error": (
            "Error of ours",
            "Something went wrong here that should not. Look at the log, then resume; no number loses its attempt.",
        ),
        "pbx_down": ("PBX away", "The PBX does not answer, or nobody holds it. We keep trying; no number is lost."),
        "pbx_refused": ("PBX refuses us", "The PBX does not take the credentials. Correct the settings, then resume."),
        "pbx_taken": (
            "PBX taken",
            "Another program uses the same ARI application. Give one of them another name, then resume.",
        ),
        "pbx_missing": ("PBX not set up", "The provider is no longer in the settings. Set it up, then resume."),
        "trunk_refused": (
            "Trunk refused",
            "The PBX or its carrier refuses calls over this trunk. Check the endpoint and the trunk, then resume.",
        ),
        "calls_blocked": (
            "Calls blocked as spam",
            "The network blocks calls from this number as unwanted. Ask the carrier before you resume.",
        ),
        "bridge_down": (
            "No voice bridge",
            "Nobody could talk to who answers. Start a voice bridge; we keep trying.",
        ),
        "provider_busy": ("Provider busy", "ElevenLabs is busy. Dialling goes on by itself."),
        "not_allowed": (
            "Not allowed",
            "The key may not do this, or the account's plan does not allow it. Change that at ElevenLabs, then resume.",
        ),
        "invalid": (
            "Refused",
            "ElevenLabs refused the calls as they were asked for. Check the agent and the number, then resume.",
        ),
    }
)

_EVENT_WORDS: Mapping[str, tuple[str, Tone]] = MappingProxyType(
    {
        "conversation": ("Conversation begun", "idle"),
        "transcript": ("Transcript received", "voice"),
        "summary": ("Summary received", "voice"),
        "disposition": ("Agent's judgement", "voice"),
        "audio": ("Recording available", "voice"),
        "settled": ("Settled: nothing more will come", "ok"),
        "created": ("Created", "idle"),
        "started": ("Started", "live"),
        "submitted": ("Submitted", "idle"),
        "paused": ("Paused", "wait"),
        "pausing": ("Pausing", "wait"),
        "resumed": ("Resumed", "live"),
        "renamed": ("Renamed", "idle"),
        "waiting": ("Waiting", "wait"),
        "completed": ("Completed", "ok"),
        "cancelled": ("Cancelled", "idle"),
        "pruned": ("Calls and numbers deleted for their age", "idle"),
        "transcript.pruned": ("What was said deleted for its age", "idle"),
        "audio.pruned": ("Recording deleted for its age", "idle"),
    }
)


def plain(code: str) -> str:
    """A code as words: `no_answer` → "No answer"."""
    return code.replace("_", " ").replace(".", " ").strip().capitalize()


def run_badge(run: Run) -> SafeString:
    """The campaign's status."""
    return badge(run.get_status_display(), RUN_TONES.get(run.status, "idle"))


def call_badge(call: Call) -> SafeString:
    """How the call ended, or, while it lasts, how far it has come."""
    if call.outcome:
        return badge(call.get_outcome_display(), OUTCOME_TONES.get(call.outcome, "bad"), hint=plain(call.reason))
    return badge(call.get_status_display(), CALL_TONES.get(call.status, "idle"))


def chunk_badge(chunk: Chunk) -> SafeString:
    """The chunk's status."""
    return badge(chunk.get_status_display(), CHUNK_TONES.get(chunk.status, "idle"))


def disposition_badge(call: Call) -> SafeString | str:
    """The agent's own judgement of the conversation; empty where there is none."""
    if not call.disposition:
        return ""
    return badge(call.get_disposition_display(), DISPOSITION_TONES.get(call.disposition, "idle"))


def wait_words(run: Run) -> tuple[str, str]:
    """Why the campaign does not dial, in short and in a sentence; empty where it does."""
    if not run.wait_reason or run.status in {RunStatus.COMPLETED, RunStatus.CANCELLED}:
        return "", ""
    return WAITS.get(run.wait_reason, (plain(run.wait_reason), ""))


def next_attempt(run: Run, *, now: datetime) -> str:
    """When it is tried again, in words; empty where no time is set or the campaign is not running."""
    if run.next_attempt_at is None or run.status != RunStatus.RUNNING:
        return ""
    return f"next attempt {ago(run.next_attempt_at, now=now)}" if run.next_attempt_at > now else "trying again now"


def event_words(event: CallEvent, *, people: Mapping[int, str] = MappingProxyType({})) -> dict[str, Any]:
    """An event as the timeline shows it: words, what it carried in short, its tone, its time.

    `people` are names by user id, for events that tell who did it.
    """
    data = dict(event.data) if isinstance(event.data, dict) else {}
    if "by" in data:
        data["by"] = people.get(data["by"], "") if isinstance(data["by"], int) else ""
    data |= {name: _counted(value) for name, value in data.items() if isinstance(value, dict)}
    rest = {name: value for name, value in data.items() if isinstance(value, str | int | float | bool) and value != ""}
    if event.type == "status":
        words, tone = _status_words(rest)
    else:
        name = event.type.removeprefix("run.").removeprefix("call.")
        words, tone = _EVENT_WORDS.get(name, (plain(name), "idle"))
    return {
        "words": words,
        "tone": tone,
        "at": event.at,
        "facts": [_fact(name, value) for name, value in rest.items()],
    }


def _counted(counts: Mapping[str, object]) -> str:
    """`{"lost_sight": 7}` → "Lost sight 7"."""
    return ", ".join(f"{plain(name)} {count}" for name, count in counts.items())


def _fact(name: str, value: object) -> tuple[str, object]:
    if name == "duration_sec" and isinstance(value, int):
        return "Duration", duration(value)
    if name == "numbers_count" and isinstance(value, int):
        return "Numbers", f"{value:,}"
    if name in {"disposition", "reason"}:
        return plain(name), plain(str(value))
    return plain(name), value


def _status_words(data: dict[str, Any]) -> tuple[str, Tone]:
    status, outcome = str(data.pop("status", "")), str(data.pop("outcome", ""))
    if outcome in Outcome.values:
        return str(Outcome(outcome).label), OUTCOME_TONES.get(outcome, "bad")
    if status in CallStatus.values:
        return str(CallStatus(status).label), CALL_TONES[status]
    if status in RunStatus.values:
        return str(RunStatus(status).label), RUN_TONES[status]
    return plain(status), "idle"
