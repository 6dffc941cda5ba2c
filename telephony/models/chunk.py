"""A chunk is the calls that are submitted together."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from aispinner.core.ids import new_id
from integrations.models import ElevenLabsKey
from telephony.models.run import Run


def new_chunk_key() -> str:
    return new_id("chnk")


class ChunkStatus(models.TextChoices):
    """`submitting → dialing → done`; aside: `rate_limited`, `unknown`, `dissolved`."""

    SUBMITTING = "submitting", "Being submitted"
    DIALING = "dialing", "Being dialled"
    DONE = "done", "Done"
    RATE_LIMITED = "rate_limited", "Waiting for the provider"
    UNKNOWN = "unknown", "Being looked up"
    DISSOLVED = "dissolved", "Dissolved, never dialled"


class Chunk(models.Model):
    """Its key exists before the provider hears of it, travels with the request and comes back."""

    key = models.CharField(max_length=40, unique=True, default=new_chunk_key, editable=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="chunks")
    api_key = models.ForeignKey(
        ElevenLabsKey,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="What it is sent with.",
    )
    status = models.CharField(max_length=12, choices=ChunkStatus.choices, default=ChunkStatus.SUBMITTING)
    size = models.PositiveIntegerField()
    external_id = models.CharField(max_length=200, blank=True, help_text="The batch at the provider.")
    reason = models.CharField(max_length=40, blank=True)
    attempts = models.PositiveIntegerField(default=1, help_text="How often it was submitted.")
    polls = models.PositiveIntegerField(default=0)
    submitted_at = models.DateTimeField(help_text="When the last submission began.")
    first_look_at = models.DateTimeField(null=True, blank=True, help_text="When the first lookup found no trace.")
    cancelled_at = models.DateTimeField(
        null=True, blank=True, help_text="When the rest was taken back at the provider."
    )
    retry_at = models.DateTimeField(null=True, blank=True)
    next_at = models.DateTimeField(null=True, blank=True, help_text="When the sweep looks at it again.")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["next_at"], condition=Q(next_at__isnull=False), name="chunks_due"),
            models.Index(fields=["status"], condition=Q(finished_at__isnull=True), name="chunks_open"),
        ]

    def __str__(self) -> str:
        return self.key
