"""Who did what: one entry for each change that somebody made, written in the transaction of the change.

The services record; who it was is read from the request that is being served, so that no service needs to be told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.db.models import Model, QuerySet
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from aispinner.core.logs import without_secrets
from aispinner.core.models import ApiToken, AuditEntry, Membership, Node, Via, Workspace

LONGEST_VALUE = 200
FAILURES_A_MINUTE = 10  # of one name: guessing fills no table
_request: ContextVar[HttpRequest | None] = ContextVar("request", default=None)


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who acts, by which token, and how they came in; nobody is the server itself."""

    user: User | None = None
    token: ApiToken | None = None
    via: Via = Via.SYSTEM
    request_id: str = ""


@contextmanager
def serving(request: HttpRequest) -> Iterator[None]:
    """What is recorded within was done by whom `request` turns out to come from."""
    mark = _request.set(request)
    try:
        yield
    finally:
        _request.reset(mark)


def actor() -> Actor:
    """Who acts now."""
    request = _request.get()
    if request is None:
        return Actor()
    user, token = getattr(request, "user", None), getattr(request, "auth", None)
    user = user if isinstance(user, User) else None
    if isinstance(token, ApiToken) or request.path.startswith("/auth/"):
        via = Via.API
    else:
        via = Via.ADMIN if request.path.startswith("/admin") else Via.PAGE
    token = token if isinstance(token, ApiToken) else None
    return Actor(user=user, token=token, via=via, request_id=request.META.get("HTTP_X_REQUEST_ID", ""))


def record(
    *,
    action: str,
    about: Model,
    workspace: Workspace | None,
    changes: Mapping[str, Any] | None = None,
    by: User | None = None,
) -> None:
    """Note that `action` ("campaign.paused") was done to `about`, in the caller's transaction.

    `changes` tells what is new, or [old, new], by name: never a secret or a number; what looks like one is cut out.
    `by` is for where the request does not tell who it is.
    """
    who = actor()
    user = by or who.user
    AuditEntry.objects.create(
        workspace=workspace,
        user=user,
        username=user.get_username() if user else "",
        via=who.via,
        token_id=who.token.public_id if who.token else "",
        token_name=without_secrets(who.token.name) if who.token else "",
        action=action,
        object_id=identity(about),
        object_name=without_secrets(str(about))[:LONGEST_VALUE],
        changes=_clean(changes or {}),
        request_id=who.request_id,
    )


def identity(row: Model) -> str:
    """What the API calls `row`: its public id, its user, its node's id, else its number."""
    for name in ("call_id", "public_id"):
        if hasattr(row, name):
            return str(getattr(row, name))
    if isinstance(row, Membership):
        return str(row.user_id)
    node = row if isinstance(row, Node) else getattr(row, "node", None)
    return node.node_id if isinstance(node, Node) else str(row.pk)


def history(*, kind: str, about: Model) -> QuerySet[AuditEntry]:
    """What was done to one thing, newest first."""
    entries = AuditEntry.objects.filter(object_id=identity(about), action__startswith=f"{kind}.").order_by("-pk")
    node = getattr(about, "node", about)
    return entries.filter(workspace=node.workspace_id) if isinstance(node, Node) else entries


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """`[old, new]` by name, of what differs."""
    return {name: [before.get(name), after[name]] for name in after if before.get(name) != after[name]}


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return without_secrets(value)[:LONGEST_VALUE]
    if isinstance(value, Mapping):
        return {str(name): _clean(each) for name, each in value.items()}
    if isinstance(value, list | tuple | set):
        return [_clean(each) for each in value]
    return value if value is None or isinstance(value, bool | int | float) else without_secrets(str(value))


@receiver(user_logged_in)
def _logged_in(user: User, **_: Any) -> None:
    record(action="user.signed_in", about=user, workspace=None, by=user)


@receiver(user_login_failed)
def _login_failed(credentials: Mapping[str, Any], **_: Any) -> None:
    """A name that nobody has is not written down: it may be a password in the wrong field."""
    user = User.objects.filter(username=str(credentials.get("username", ""))[:150].replace("\0", "")).first()
    since = timezone.now() - timedelta(minutes=1)
    about = user or User(username="unknown name")
    lately = AuditEntry.objects.filter(object_id=identity(about), action="user.sign_in_failed", at__gt=since)
    if lately.count() < FAILURES_A_MINUTE:
        record(action="user.sign_in_failed", about=about, workspace=None)
