"""A page that says exactly what will happen, and to what, before several rows are changed at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.contrib.admin import AdminSite
from django.db.models import Model
from django.http import HttpRequest
from django.template.response import TemplateResponse


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A row that is changed when confirmed, and what that does to it."""

    pk: int
    words: str
    effect: str = ""


@dataclass(frozen=True, kw_only=True)
class Option:
    """A box to tick along with it."""

    name: str
    words: str
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """What is asked. `action`: of the list, else the page posts to itself; `left_out`: (row, why not)."""

    question: str
    yes: str
    no: str = "Leave it as it is"
    icon: str = "help"
    danger: bool = False
    effects: Sequence[str] = ()
    rows: Sequence[Chosen] = ()
    left_out: Sequence[tuple[str, str]] = ()
    option: Option | None = None
    action: str = ""
    back: str = ""
    about: type[Model] = field(kw_only=True)


def is_confirmed(request: HttpRequest) -> bool:
    """Whether this is the page's own answer."""
    return request.method == "POST" and request.POST.get("confirm") == "yes"


def ask(request: HttpRequest, site: AdminSite, confirmation: Confirmation) -> TemplateResponse:
    """The page."""
    context = {
        **site.each_context(request),
        **vars(confirmation),
        "title": confirmation.question,
        "opts": confirmation.about._meta,
        "action_url": confirmation.back if confirmation.action else "",
    }
    return TemplateResponse(request, "console/confirm.html", context)
