"""Agents that live at ElevenLabs, adopted into a node: a local copy of their configuration, never written back."""

from __future__ import annotations

from django.db import models

from aispinner.core.models import Node, Workspace
from integrations.models import Account


class Agent(models.Model):
    """The adopted agent of an `ai.agent` node."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="agents")
    node = models.OneToOneField(Node, on_delete=models.CASCADE, related_name="agent")
    account = models.ForeignKey(Account, on_delete=models.SET_NULL, null=True, blank=True, related_name="agents")
    elevenlabs_agent_id = models.CharField(max_length=100, db_index=True)
    name = models.CharField(max_length=200)
    voice_id = models.CharField(max_length=100, blank=True)
    prompt = models.TextField(blank=True)
    first_message = models.TextField(blank=True)
    language = models.CharField(max_length=20, blank=True)
    model = models.CharField("language model", max_length=100, blank=True)
    temperature = models.FloatField(null=True, blank=True)
    max_tokens = models.IntegerField(null=True, blank=True)
    tools = models.JSONField(default=list, blank=True)
    voice_settings = models.JSONField(default=dict, blank=True)
    platform_tools = models.JSONField(default=dict, blank=True)
    safety_rules = models.JSONField(default=dict, blank=True)
    raw_config = models.JSONField(default=dict, blank=True)
    adopted_at = models.DateTimeField(auto_now_add=True)
    refreshed_at = models.DateTimeField()
    drift = models.JSONField(default=list, blank=True, help_text="What had changed at ElevenLabs when last compared.")
    is_missing = models.BooleanField(default=False, help_text="It was not there any more.")
    compared_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["compared_at"], name="agents_by_comparison")]

    @property
    def has_drifted(self) -> bool:
        """Whether what is at ElevenLabs was something else, or gone, when last compared."""
        return self.is_missing or bool(self.drift)

    def __str__(self) -> str:
        return self.name
