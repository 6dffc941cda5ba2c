"""Voice stacks by name."""

from __future__ import annotations

from integrations.calls import VoiceStack
from telephony.stacks.base import Stack
from telephony.stacks.custom_voice import CustomVoiceStack
from telephony.stacks.elevenlabs import ElevenLabsStack


def stack_for(name: str) -> Stack:
    """The stack called `name`."""
    return ElevenLabsStack() if VoiceStack(name) is VoiceStack.ELEVENLABS else CustomVoiceStack()
