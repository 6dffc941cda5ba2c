"""What is told and counted: call events, the journal's totals, and the sequence that orders both."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from aispinner.core.models import Node, Workspace
from telephony.models.call import Call, CallStatus
from telephony.models.run import Run


class Sequence(models.Model):
    """One row. Who changes the journal takes numbers here *last*, and holds it until commit: in commit order."""

    value = models.BigIntegerField(default=0)
    at = models.DateTimeField(help_text="When the last numbers were taken; only ever later.")

    def __str__(self) -> str:
        return str(self.value)


class CallEvent(models.Model):
    """Something that happened to a call or a campaign, in the order in which it was committed."""

    id = models.BigIntegerField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, null=True, related_name="events", db_index=False)
    call = models.ForeignKey(Call, on_delete=models.CASCADE, null=True, related_name="events", db_index=False)
    type = models.CharField(max_length=30)
    data = models.JSONField(default=dict)
    at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["workspace", "id"], name="events_of_workspace"),
            models.Index(fields=["run", "id"], name="events_of_run"),
            models.Index(fields=["run", "id"], condition=Q(call=None), name="events_of_run_itself"),
            models.Index(fields=["call", "id"], name="events_of_call"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.pk}"


class JournalTotal(models.Model):
    """How many calls, and how long, of a workspace (`node` null) or of one of its nodes: by status and UTC day, and
    by status alone (`day` null), as a sum over days would take longer with every day.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    node = models.ForeignKey(Node, on_delete=models.CASCADE, null=True, related_name="+", db_index=False)
    status = models.CharField(max_length=12, choices=CallStatus.choices)
    day = models.DateField(null=True)
    calls = models.IntegerField(default=0)
    duration_sec = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "node", "day", "status"], nulls_distinct=False, name="journal_totals_key"
            )
        ]

    def __str__(self) -> str:
        return f"{self.calls} {self.status} on {self.day or 'all days'}"
