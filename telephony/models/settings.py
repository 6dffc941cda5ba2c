"""A workspace's telephony settings: ARI and SIP defaults for Custom Voice."""

from __future__ import annotations

from django.db import models

from aispinner.core.encryption import EncryptedJSONField
from aispinner.core.models import Workspace


class TelephonySettings(models.Model):
    """`settings_json` as published; encrypted as a whole, because providers in it have passwords."""

    workspace = models.OneToOneField(Workspace, on_delete=models.CASCADE, related_name="telephony_settings")
    settings_json = EncryptedJSONField(default=dict)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "telephony settings"

    def __str__(self) -> str:
        return f"Settings of {self.workspace}"
