"""A run is a campaign; its recipients are the numbers it dials, its progress the one row that counts them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q, QuerySet, RestrictedError
from django.db.models.deletion import Collector

from agents.models import Agent
from aispinner.core.ids import new_id
from aispinner.core.models import Node, Workspace
from integrations.calls import VoiceStack
from integrations.models import Account, ElevenLabsKey, PhoneProvider


def new_run_id() -> str:
    return new_id("camp")


def keep_while_unfinished(
    collector: Collector, field: models.ForeignKey[Any, Any], runs: QuerySet[Run], using: str
) -> None:
    """What a campaign dials with stays while it may dial; afterwards the campaign does without it."""
    unfinished: set[models.Model] = set(runs.filter(finished_at=None))
    if unfinished:
        raise RestrictedError("Campaigns that have not ended dial with it.", unfinished)
    models.SET_NULL(collector, field, runs, using)


class RunStatus(models.TextChoices):
    RUNNING = "running", "Running"
    PAUSING = "pausing", "Pausing"
    PAUSED = "paused", "Paused"
    COMPLETED = "completed", "Completed"
    CANCELLED = "cancelled", "Cancelled"


class Pacing(models.TextChoices):
    CHUNKED = "chunked", "Chunk after chunk"
    CONTINUOUS = "continuous", "As lines come free"


class Run(models.Model):
    """A campaign. It never *fails*: what stops it pauses it, with `wait_reason`."""

    call_id = models.CharField(max_length=40, unique=True, default=new_run_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="runs", db_index=False)
    node = models.ForeignKey(Node, on_delete=models.RESTRICT, related_name="runs", db_index=False)
    agent = models.ForeignKey(Agent, on_delete=models.RESTRICT, related_name="runs")
    phone_provider = models.ForeignKey(
        PhoneProvider, on_delete=keep_while_unfinished, related_name="runs", null=True, blank=True
    )
    voice_stack = models.CharField(max_length=20, choices=VoiceStack.choices)
    provider_id = models.CharField(max_length=100, blank=True, help_text="The Custom Voice provider in the settings.")
    account = models.ForeignKey(Account, on_delete=models.RESTRICT, related_name="runs")
    api_key = models.ForeignKey(ElevenLabsKey, on_delete=models.SET_NULL, related_name="runs", null=True, blank=True)
    name = models.CharField(max_length=200, blank=True)
    max_concurrent = models.PositiveIntegerField(default=5, validators=[MinValueValidator(1), MaxValueValidator(1000)])
    pacing = models.CharField(max_length=12, choices=Pacing.choices, default=Pacing.CHUNKED)
    status = models.CharField(max_length=12, choices=RunStatus.choices, default=RunStatus.RUNNING)
    wait_reason = models.CharField(max_length=40, blank=True)
    hangs_up = models.BooleanField(default=False, help_text="Cancelled with the wish to end live calls.")
    next_attempt_at = models.DateTimeField(null=True, blank=True, help_text="Nothing is submitted before.")
    next_at = models.DateTimeField(null=True, blank=True, help_text="When the sweep looks at it again.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    last_served_at = models.DateTimeField(null=True, blank=True, help_text="When it last got lines of its account.")
    finished_at = models.DateTimeField(null=True, blank=True)
    pruned_at = models.DateTimeField(
        null=True, blank=True, help_text="When its calls and numbers were deleted for their age; its counters stay."
    )

    class Meta:
        verbose_name = "campaign"
        constraints = [
            models.UniqueConstraint(
                fields=["node"], condition=Q(status__in=["running", "pausing"]), name="one_active_run_per_node"
            ),
            models.CheckConstraint(condition=Q(max_concurrent__range=(1, 1000)), name="run_max_concurrent_1_to_1000"),
            models.CheckConstraint(
                condition=Q(pruned_at=None) | Q(finished_at__isnull=False), name="only_what_is_over_is_pruned"
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "-id"], name="runs_of_workspace"),
            models.Index(fields=["node", "-id"], name="runs_of_node"),
            models.Index(fields=["next_at"], condition=Q(next_at__isnull=False), name="runs_due"),
            models.Index(fields=["workspace"], condition=Q(finished_at__isnull=True), name="runs_unfinished"),
        ]

    def __str__(self) -> str:
        return self.name or self.call_id


class RunProgress(models.Model):
    """What is counted of a run. A row of its own, so that counting never waits for the row that is claimed."""

    run = models.OneToOneField(Run, on_delete=models.CASCADE, primary_key=True, related_name="progress")
    numbers_count = models.PositiveIntegerField()
    pending = models.PositiveIntegerField()
    in_flight = models.PositiveIntegerField(default=0)
    success = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    cancelled = models.PositiveIntegerField(default=0)
    child_count = models.PositiveIntegerField(default=0, help_text="Calls, without those proven never dialled.")
    total_duration_sec = models.PositiveBigIntegerField(default=0)
    chunks_total = models.PositiveIntegerField(default=0)
    chunks_done = models.PositiveIntegerField(default=0)
    recent = models.CharField(
        max_length=100, blank=True, help_text="How the last calls ended: x failed at the provider, . any other way."
    )
    version = models.BigIntegerField(default=0, db_index=True, help_text="Of the run as clients see it.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(numbers_count=F("pending") + F("in_flight") + F("success") + F("failed") + F("cancelled")),
                name="no_recipient_is_lost",
            )
        ]

    def __str__(self) -> str:
        return f"{self.success + self.failed} of {self.numbers_count}"


class RecipientStatus(models.TextChoices):
    PENDING = "pending", "Pending"
    IN_FLIGHT = "in_flight", "In flight"
    SUCCESS = "success", "Success"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


class Recipient(models.Model):
    """One number of a run, its variables for the agent, and its place in the list."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="recipients", db_index=False)
    position = models.PositiveIntegerField()
    number = models.CharField(max_length=20, help_text="E.164.")
    variables = models.JSONField(null=True, blank=True)
    status = models.CharField(max_length=10, choices=RecipientStatus.choices, default=RecipientStatus.PENDING)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "number"], name="a_number_is_once_in_a_run"),
            models.UniqueConstraint(fields=["run", "position"], name="recipients_in_order"),
        ]
        indexes = [models.Index(fields=["run", "position"], condition=Q(status="pending"), name="recipients_pending")]

    def __str__(self) -> str:
        return f"{self.position} of run {self.run_id}"
