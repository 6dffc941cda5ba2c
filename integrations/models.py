"""Accounts and keys at providers, the carriers of phone-number nodes, and the webhooks that providers send us."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from aispinner.core.encryption import EncryptedTextField
from aispinner.core.ids import new_id
from aispinner.core.models import Node, Workspace
from integrations.calls import VoiceStack


class Account(models.Model):
    """What places calls and has lines: shared by all its keys and by every campaign that dials through it."""

    voice_stack = models.CharField(max_length=20, choices=VoiceStack.choices, default=VoiceStack.ELEVENLABS)
    external_id = models.CharField(max_length=200, help_text="The provider's own id of the account.")
    tier = models.CharField(max_length=50, blank=True)
    concurrency_limit = models.PositiveIntegerField(
        default=4,
        help_text="Calls at once over all campaigns. Preset from the subscription; ElevenLabs does not tell it.",
    )
    learned_limit = models.PositiveIntegerField(
        null=True, blank=True, help_text="Less than the limit while the provider says that it has no room."
    )
    learned_until = models.DateTimeField(null=True, blank=True)
    exhausted_at = models.DateTimeField(
        null=True, blank=True, help_text="When the provider last said that credits or the quota are used up."
    )
    credits_used = models.PositiveBigIntegerField(null=True, blank=True, help_text="Of the period, when last asked.")
    credits_limit = models.PositiveBigIntegerField(null=True, blank=True)
    webhook_state = models.CharField(
        max_length=20, blank=True, help_text="How the last attempt to register our webhook went."
    )
    conversations_known_until = models.DateTimeField(
        default=timezone.now, help_text="The list of its conversations is read from here on."
    )
    next_look_at = models.DateTimeField(
        default=timezone.now, null=True, blank=True, help_text="When that list is read again; empty: never."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["voice_stack", "external_id"], name="one_account_per_external_id"),
            models.CheckConstraint(condition=Q(concurrency_limit__gte=1), name="an_account_has_a_line"),
        ]

    def __str__(self) -> str:
        return f"{self.get_voice_stack_display()} {self.external_id}"


class KeyStatus(models.TextChoices):
    WORKING = "working", "Working"
    REFUSED = "refused", "Refused by ElevenLabs"


class ElevenLabsKey(models.Model):
    """An API key of a workspace. Its text is encrypted; only the last 4 characters are ever shown."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="elevenlabs_keys")
    account = models.ForeignKey(Account, on_delete=models.RESTRICT, related_name="keys")
    title = models.CharField(max_length=200, blank=True)
    key = EncryptedTextField()
    last4 = models.CharField(max_length=4, editable=False)
    status = models.CharField(max_length=10, choices=KeyStatus.choices, default=KeyStatus.WORKING)
    checked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "ElevenLabs key"

    def __str__(self) -> str:
        return f"{self.title or 'ElevenLabs key'} …{self.last4}"


class Carrier(models.TextChoices):
    TWILIO = "twilio", "Twilio"
    SIP = "sip", "SIP trunk"


class PhoneProvider(models.Model):
    """The carrier of an `ai.phone_number` node. Credentials are encrypted and write-only."""

    node = models.OneToOneField(Node, on_delete=models.CASCADE, related_name="phone_provider")
    agent_node = models.ForeignKey(
        Node,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="answers_for",
        help_text="Answers this number.",
    )
    provider = models.CharField(max_length=10, choices=Carrier.choices)
    twilio_sid = EncryptedTextField(blank=True, default="")
    twilio_token = EncryptedTextField(blank=True, default="")
    twilio_phone = models.CharField(max_length=20, blank=True)
    sip_server = models.CharField(max_length=255, blank=True)
    sip_port = models.PositiveIntegerField(null=True, blank=True)
    sip_user = models.CharField(max_length=255, blank=True)
    sip_password = EncryptedTextField(blank=True, default="")
    sip_phone = models.CharField(max_length=20, blank=True, help_text="The trunk's number, E.164.")
    imported = models.BooleanField(default=False, help_text="Taken over from ElevenLabs; complete without credentials.")
    registered_account = models.ForeignKey(Account, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    registered_id = models.CharField(
        max_length=200, blank=True, help_text="The number's id at ElevenLabs, once it is registered there."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    @property
    def phone(self) -> str:
        """The number calls are placed from, E.164."""
        return self.twilio_phone if self.provider == Carrier.TWILIO else self.sip_phone

    def __str__(self) -> str:
        return f"{self.get_provider_display()} of {self.node}"


def _new_endpoint_id() -> str:
    return new_id("hook")


class WebhookEndpoint(models.Model):
    """Where one account posts its events: `/webhooks/elevenlabs/{public_id}`, signed with `secret`."""

    public_id = models.CharField(max_length=40, unique=True, default=_new_endpoint_id, editable=False)
    account = models.OneToOneField(Account, on_delete=models.CASCADE, related_name="webhook_endpoint")
    external_id = models.CharField(max_length=200, blank=True, help_text="The webhook's id at the provider.")
    secret = EncryptedTextField(blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.public_id


class ReceiptStatus(models.TextChoices):
    NEW = "new", "Not applied yet"
    WAITING = "waiting", "Names no call that we know yet"
    APPLIED = "applied", "Applied"
    IGNORED = "ignored", "Not for us"


class WebhookReceipt(models.Model):
    """One event as it arrived, stored before anything is done with it; the same event twice is one row."""

    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="receipts")
    event_key = models.CharField(max_length=64)
    kind = models.CharField(max_length=50)
    conversation_id = models.CharField(max_length=100, blank=True, db_index=True)
    body = models.TextField()
    status = models.CharField(max_length=10, choices=ReceiptStatus.choices, default=ReceiptStatus.NEW)
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(null=True, blank=True)
    received_at = models.DateTimeField(auto_now_add=True)
    applied_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["endpoint", "event_key"], name="an_event_is_stored_once")]
        indexes = [models.Index(fields=["next_at"], condition=Q(next_at__isnull=False), name="receipts_due")]

    def __str__(self) -> str:
        return f"{self.kind} {self.conversation_id}"
