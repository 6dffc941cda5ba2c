"""What can place calls. Here, because a node's `config.voice_stack` names one."""

from __future__ import annotations

from django.db.models import TextChoices


class VoiceStack(TextChoices):
    """What places calls."""

    ELEVENLABS = "elevenlabs", "ElevenLabs Agents"
    CUSTOM_VOICE = "custom_voice", "Custom Voice (own Asterisk)"
