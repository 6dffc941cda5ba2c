"""The monitor's page. It holds who is looking and the words to use; campaigns and calls it gets from the API."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from aispinner.core.models import Membership, Role
from integrations.calls import Direction, Disposition, Outcome
from telephony.admin.words import CALL_TONES, DISPOSITION_TONES, OUTCOME_TONES, RUN_TONES, WAITS
from telephony.models import CallStatus, RunStatus

# Everything from here, nothing inline; sockets of this host by name, as not every browser takes them for 'self'.
POLICY = (
    "default-src 'self'; connect-src 'self' ws://{host} wss://{host}; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


@require_safe
@login_required
@ensure_csrf_cookie
def monitor(request: HttpRequest) -> HttpResponse:
    """The page, for members; which of their workspaces it shows is its own business."""
    user = request.user
    assert isinstance(user, User)  # noqa: S101 - login_required
    context = {"page": {"user": user.get_username(), "workspaces": _workspaces(user), **_words()}}
    response = render(request, "monitor/page.html", context | {"is_staff": user.is_staff})
    response["Content-Security-Policy"] = POLICY.format(host=request.get_host())
    return response


def _workspaces(user: User) -> list[dict[str, Any]]:
    mine = Membership.objects.filter(user=user).select_related("workspace").order_by("created_at", "pk")
    return [
        {"id": each.workspace_id, "name": each.workspace.name, "may_edit": Role(each.role).includes(Role.EDITOR)}
        for each in mine
    ]


def _words() -> dict[str, Any]:
    """The admin's labels, tones and sentences, so that a state is called the same everywhere."""
    return {
        "admin": reverse("admin:index"),
        "run_status": labels(RunStatus, RUN_TONES),
        "call_status": labels(CallStatus, CALL_TONES),
        "outcome": labels(Outcome, OUTCOME_TONES, otherwise="bad"),
        "disposition": labels(Disposition, DISPOSITION_TONES),
        "direction": labels(Direction, {}),
        "waits": {code: {"title": title, "text": text} for code, (title, text) in WAITS.items()},
    }


def labels(choices: Any, tones: Any, *, otherwise: str = "idle") -> dict[str, dict[str, str]]:
    """What a state is called, and its colour, by its name."""
    return {value: {"label": str(label), "tone": tones.get(value, otherwise)} for value, label in choices.choices}
