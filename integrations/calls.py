"""What a provider can tell of one call, in our own words: the typed value that goes up from here to the dialer."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from django.db.models import TextChoices


class VoiceStack(TextChoices):
    """What places calls."""

    ELEVENLABS = "elevenlabs", "ElevenLabs Agents"
    CUSTOM_VOICE = "custom_voice", "Custom Voice (own Asterisk)"


class Outcome(TextChoices):
    """How an ended call ended."""

    ANSWERED = "answered", "Answered"
    VOICEMAIL = "voicemail", "Voicemail"
    NO_ANSWER = "no_answer", "No answer"
    BUSY = "busy", "Busy"
    REJECTED = "rejected", "Rejected"
    INVALID_NUMBER = "invalid_number", "Invalid number"
    CONGESTION = "congestion", "Congestion"
    CANCELLED = "cancelled", "Cancelled"
    ERROR = "error", "Error"


class Disposition(TextChoices):
    """The agent's own judgement of a conversation."""

    SUCCESS = "success", "Success"
    FAILURE = "failure", "Failure"
    UNKNOWN = "unknown", "Unknown"


class Phase(StrEnum):
    """How far a call has come at the provider."""

    WAITING = "waiting"  # accepted, not dialled yet
    DISPATCHED = "dispatched"  # being dialled
    RINGING = "ringing"
    IN_PROGRESS = "in_progress"  # somebody, or something, answered
    ENDED = "ended"  # `outcome` says how
    NOT_DIALLED = "not_dialled"  # the provider's record proves that the number was not dialled


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One turn of a conversation; `time_in_call_secs` counts from the answer."""

    role: str  # "agent" or "user"
    message: str
    time_in_call_secs: float


@dataclass(frozen=True, kw_only=True)
class CallReport:
    """What the provider says of one call at this moment.

    `settled` means that nothing more will come: result, transcript and analysis are in (or never will be).
    `account_limit` names the account's limit that stopped a call before it was dialled (`quota_exhausted`, …).
    """

    phase: Phase
    call_id: str | None = None  # ours, where the provider gave it back
    conversation_id: str | None = None
    outcome: Outcome | None = None
    reason: str = ""
    account_limit: str = ""
    started_at: datetime | None = None
    duration_sec: int = 0
    transcript: tuple[Turn, ...] = field(default=())
    summary: str = ""
    disposition: Disposition | None = None
    has_audio: bool = False
    settled: bool = False
