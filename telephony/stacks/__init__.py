"""Voice stacks by name."""

from __future__ import annotations

from integrations.calls import VoiceStack
from telephony.stacks.base import Stack
from telephony.stacks.elevenlabs import ElevenLabsStack


def stack_for(name: str) -> Stack:
    """The stack called `name`; Custom Voice is refused when a campaign starts, so that it never comes here."""
    return {VoiceStack.ELEVENLABS: ElevenLabsStack()}[VoiceStack(name)]
