"""Campaigns, the numbers they dial, the calls that came of it, and what is counted and told about them."""

from __future__ import annotations

from integrations.calls import Direction
from telephony.models.call import Call, CallStatus
from telephony.models.chunk import Chunk, ChunkStatus
from telephony.models.dial import Dial, DialStatus, PbxLink
from telephony.models.event import CallEvent, JournalTotal, Sequence
from telephony.models.run import Pacing, Recipient, RecipientStatus, Run, RunProgress, RunStatus
from telephony.models.settings import TelephonySettings
from telephony.models.voice import SessionKind, VoiceBridge, VoiceSession

__all__ = [
    "Call",
    "CallEvent",
    "CallStatus",
    "Chunk",
    "ChunkStatus",
    "Dial",
    "DialStatus",
    "Direction",
    "JournalTotal",
    "Pacing",
    "PbxLink",
    "Recipient",
    "RecipientStatus",
    "Run",
    "RunProgress",
    "RunStatus",
    "Sequence",
    "SessionKind",
    "TelephonySettings",
    "VoiceBridge",
    "VoiceSession",
]
