"""Who may no longer watch is told so at once: a token, login or membership that goes has what is open look again."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db.models.signals import post_delete, post_save

from aispinner.core.models import ApiToken, Membership
from telephony.realtime.rings import tell, tell_access


def watch_access() -> None:
    """Connect the signals; called once, when Django is ready."""
    post_delete.connect(_token_gone, sender=ApiToken, dispatch_uid="realtime")
    post_delete.connect(_membership_changed, sender=Membership, dispatch_uid="realtime")
    post_save.connect(_membership_changed, sender=Membership, dispatch_uid="realtime")
    post_save.connect(_user_changed, sender=User, dispatch_uid="realtime")
    post_delete.connect(_login_gone, sender=Session, dispatch_uid="realtime")


def _token_gone(sender: type[ApiToken], instance: ApiToken, **_: Any) -> None:
    for workspace_id in Membership.objects.filter(user=instance.user_id).values_list("workspace_id", flat=True):
        tell(workspace_id)
    tell_access(instance.user_id)


def _membership_changed(sender: type[Membership], instance: Membership, **_: Any) -> None:
    tell(instance.workspace_id)
    tell_access(instance.user_id)


def _user_changed(sender: type[User], instance: User, *, created: bool, **_: Any) -> None:
    if not created:
        tell_access(instance.pk)


def _login_gone(sender: type[Session], instance: Session, **_: Any) -> None:
    """The row's end, not `user_logged_out`: that is sent before the session goes, and who looks then finds it good."""
    user_id = instance.get_decoded().get(SESSION_KEY)
    if user_id is not None:
        tell_access(int(user_id))
