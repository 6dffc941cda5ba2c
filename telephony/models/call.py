"""A call is one attempt at a number, or one that came in: a journal record."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from aispinner.core.ids import new_id
from aispinner.core.models import Node, Workspace
from integrations.calls import Direction, Disposition, Outcome
from integrations.models import Account
from telephony.models.chunk import Chunk
from telephony.models.run import Recipient, Run


def new_call_id() -> str:
    return new_id("call")


class CallStatus(models.TextChoices):
    QUEUED = "queued", "Queued"
    DIALING = "dialing", "Dialing"
    RINGING = "ringing", "Ringing"
    IN_PROGRESS = "in_progress", "In progress"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"

    @property
    def is_terminal(self) -> bool:
        return self in TERMINAL


TERMINAL = frozenset({CallStatus.DONE, CallStatus.FAILED, CallStatus.CANCELLED})


class Call(models.Model):
    """Its id is its place in the journal, taken from the sequence that is handed out in commit order."""

    id = models.BigIntegerField(primary_key=True)
    call_id = models.CharField(max_length=40, unique=True, default=new_call_id, editable=False)
    version = models.BigIntegerField(help_text="Of the last change, from the same sequence as the ids.")
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="calls", db_index=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, null=True, blank=True, related_name="calls", db_index=False)
    recipient = models.ForeignKey(Recipient, on_delete=models.CASCADE, null=True, blank=True, related_name="calls")
    chunk = models.ForeignKey(Chunk, on_delete=models.CASCADE, null=True, blank=True, related_name="calls")
    account = models.ForeignKey(Account, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False)
    pbx_node = models.ForeignKey(Node, on_delete=models.RESTRICT, null=True, related_name="+", db_index=False)
    phone_node = models.ForeignKey(Node, on_delete=models.RESTRICT, null=True, related_name="+", db_index=False)
    agent_node = models.ForeignKey(Node, on_delete=models.RESTRICT, null=True, related_name="+", db_index=False)
    direction = models.CharField(max_length=10, choices=Direction.choices, default=Direction.OUTBOUND)
    status = models.CharField(max_length=12, choices=CallStatus.choices, default=CallStatus.QUEUED)
    outcome = models.CharField(max_length=15, choices=Outcome.choices, blank=True)
    reason = models.CharField(max_length=100, blank=True)
    disposition = models.CharField(max_length=10, choices=Disposition.choices, blank=True)
    subscriber_phone = models.CharField(max_length=20, blank=True)
    conversation_id = models.CharField(max_length=100, null=True, blank=True)
    duration_sec = models.PositiveIntegerField(default=0)
    summary = models.TextField(blank=True)
    transcript = models.TextField(default="[]", help_text="JSON text, as it goes out.")
    has_audio = models.BooleanField(default=False)
    created_at = models.DateTimeField(help_text="Set with the id, so that both orders agree.")
    dispatched_at = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True, help_text="Nothing more will come.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "conversation_id"], name="a_conversation_is_one_call"),
            models.UniqueConstraint(
                fields=["recipient"], condition=~Q(status="cancelled"), name="a_recipient_is_dialled_once"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["done", "failed", "cancelled"]) ^ Q(outcome=""),
                name="ended_calls_have_an_outcome",
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "-id"], name="calls_of_workspace"),
            models.Index(fields=["workspace", "status", "-id"], name="calls_of_workspace_by_status"),
            models.Index(fields=["workspace", "version"], name="calls_changed"),
            models.Index(fields=["pbx_node", "-id"], name="calls_of_pbx"),
            models.Index(fields=["pbx_node", "status", "-id"], name="calls_of_pbx_by_status"),
            models.Index(fields=["phone_node", "-id"], name="calls_of_phone"),
            models.Index(fields=["phone_node", "status", "-id"], name="calls_of_phone_by_status"),
            models.Index(fields=["agent_node", "-id"], name="calls_of_agent"),
            models.Index(fields=["agent_node", "status", "-id"], name="calls_of_agent_by_status"),
            models.Index(fields=["run", "-id"], name="calls_of_run"),
            models.Index(fields=["subscriber_phone", "-id"], name="calls_of_number"),
            models.Index(fields=["created_at", "id"], name="calls_by_time"),
            models.Index(fields=["run"], condition=Q(ended_at__isnull=True), name="calls_up"),
            models.Index(
                fields=["account", "id"],
                condition=Q(chunk__isnull=True, settled_at__isnull=True),
                name="calls_followed_one_by_one",
            ),
        ]

    def __str__(self) -> str:
        return self.call_id
