"""Voice bridges that are up, and which of them holds which call."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from aispinner.core.ids import new_id
from telephony.models.call import Call


def new_bridge_id() -> str:
    return new_id("bridge")


class VoiceBridge(models.Model):
    """One bridge process. It writes `seen_at` every second, by the database's clock; silent means gone."""

    id = models.CharField(primary_key=True, max_length=40, default=new_bridge_id, editable=False)
    address = models.CharField(max_length=255, help_text="Of its control API, as http://host:port.")
    audiosocket = models.CharField(max_length=255, help_text="host:port that Asterisk can reach.")
    capacity = models.PositiveIntegerField(help_text="Conversations at once.")
    stopping = models.BooleanField(default=False, help_text="Takes no more calls.")
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["seen_at"], name="bridges_by_life_sign")]

    def __str__(self) -> str:
        return self.id


class SessionKind(models.TextChoices):
    PHONE = "phone", "Phone"
    WEB = "web", "Browser"


class VoiceSession(models.Model):
    """A call that a bridge holds: whoever opens it writes the row, and a bridge takes no call without one."""

    call = models.OneToOneField(Call, on_delete=models.CASCADE, primary_key=True, related_name="voice_session")
    bridge = models.ForeignKey(VoiceBridge, on_delete=models.SET_NULL, null=True, related_name="sessions")
    kind = models.CharField(max_length=5, choices=SessionKind.choices)
    opened_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=100, blank=True)

    class Meta:
        indexes = [models.Index(fields=["bridge"], condition=Q(ended_at=None), name="sessions_that_are_open")]

    def __str__(self) -> str:
        return f"{self.kind} {self.call_id}"
