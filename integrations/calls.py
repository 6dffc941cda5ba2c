"""What a provider can tell of one call, in our own words: the typed value that goes up from here to the dialer."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from django.db.models import TextChoices

from aispinner.core.voice_stack import VoiceStack as VoiceStack  # noqa: PLC0414 - told about here too


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


class Direction(TextChoices):
    """Who began a call; `web` ones went over no telephone network."""

    OUTBOUND = "outbound", "Outbound"
    INBOUND = "inbound", "Inbound"
    WEB = "web", "Web"


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
class Origin:
    """Where a conversation came from: whose agent it is, over which number, with whom.

    Ids are the provider's. Numbers are as it wrote them, not always E.164 (`anonymous`); a web call has none.
    """

    direction: Direction
    agent_id: str
    phone_number_id: str = ""
    our_number: str = field(default="", repr=False)
    external_number: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class CallReport:
    """What the provider says of one call at this moment.

    `settled` means that nothing more will come: result, transcript and analysis are in (or never will be).
    `account_limit` names the account's limit that stopped a call before it was dialled (`quota_exhausted`, …).
    `origin` is there only where the report is of a whole conversation, so that no `call_id` means: not placed by us.
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
    origin: Origin | None = None
