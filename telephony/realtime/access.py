"""Who may no longer watch is told so at once: a token or membership that goes has every open stream look again."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import post_delete, post_save

from aispinner.core.models import ApiToken, Membership
from telephony.realtime.rings import tell


def watch_access() -> None:
    """Connect the signals; called once, when Django is ready."""
    post_delete.connect(_token_gone, sender=ApiToken, dispatch_uid="realtime")
    post_delete.connect(_membership_changed, sender=Membership, dispatch_uid="realtime")
    post_save.connect(_membership_changed, sender=Membership, dispatch_uid="realtime")


def _token_gone(sender: type[ApiToken], instance: ApiToken, **_: Any) -> None:
    for workspace_id in Membership.objects.filter(user=instance.user_id).values_list("workspace_id", flat=True):
        tell(workspace_id)


def _membership_changed(sender: type[Membership], instance: Membership, **_: Any) -> None:
    tell(instance.workspace_id)
