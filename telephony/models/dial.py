"""What the process that holds a PBX is to dial, what came of it, and how that process is holding it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from integrations.calls import Outcome
from integrations.models import Account
from telephony.models.call import Call


class DialStatus(models.TextChoices):
    """`waiting → dialing → placed → ended`; aside: `withdrawn`."""

    WAITING = "waiting", "Waiting for the PBX"
    WITHDRAWN = "withdrawn", "Withdrawn, never dialled"
    DIALING = "dialing", "Being handed to the PBX"
    PLACED = "placed", "On the PBX"
    ENDED = "ended", "Ended"


class Dial(models.Model):
    """One call handed over to a PBX. Rows begin `waiting`; from then on only the PBX's holder moves them.

    `dialing` is written before the originate leaves us, with the event socket it leaves by: what became of it is known
    for sure only while that socket lives.
    """

    call = models.OneToOneField(Call, on_delete=models.CASCADE, primary_key=True, related_name="dial")
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+", db_index=False)
    provider_id = models.CharField(max_length=100, help_text="Which of the workspace's providers.")
    status = models.CharField(max_length=10, choices=DialStatus.choices, default=DialStatus.WAITING)
    session = models.CharField(max_length=40, blank=True, help_text="The event socket that it was placed over.")
    created_at = models.DateTimeField()
    dialled_at = models.DateTimeField(null=True, blank=True)
    rang_at = models.DateTimeField(null=True, blank=True, help_text="First ringing, or early media.")
    answered_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    hangup_at = models.DateTimeField(null=True, blank=True, help_text="When we were asked to hang it up.")
    machine = models.CharField(max_length=10, blank=True, help_text="What voicemail detection said.")
    cause = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Q.850.")
    tech_cause = models.PositiveSmallIntegerField(null=True, blank=True, help_text="SIP.")
    outcome = models.CharField(max_length=15, choices=Outcome.choices, blank=True)
    reason = models.CharField(max_length=40, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["account", "status", "call"],
                condition=Q(status__in=["waiting", "dialing", "placed"]),
                name="dials_that_are_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.status} {self.call_id}"


class PbxLink(models.Model):
    """How a PBX (an account of Custom Voice) is held: by whom, since when unbroken, or why not."""

    account = models.OneToOneField(Account, on_delete=models.CASCADE, primary_key=True, related_name="pbx_link")
    session = models.CharField(max_length=40, blank=True, help_text="The event socket that is up; empty: none is.")
    login = models.CharField(max_length=64, blank=True, help_text="A digest of the credentials it is held with.")
    version = models.CharField(max_length=40, blank=True, help_text="Of Asterisk.")
    problem = models.CharField(max_length=40, blank=True, help_text="Why it is not up.")
    since = models.DateTimeField(help_text="When the socket came up, or was lost.")
    seen_at = models.DateTimeField(help_text="The holder's last sign of life.")

    def __str__(self) -> str:
        return self.session or self.problem
