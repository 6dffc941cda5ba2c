"""Filters of the lists that stay quick at a million rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.admin import ModelAdmin
from django.db.models import Field, QuerySet
from django.http import HttpRequest

from aispinner.core.admin_filters import DaysFilter
from telephony.models import Call, Run

if TYPE_CHECKING:
    from django.contrib.admin import SimpleListFilter as DropdownFilter
else:
    from unfold.contrib.filters.admin import DropdownFilter

RUNS_OFFERED = 100


class ChoiceFilter(DropdownFilter):
    """The choices of a field in a drop-down."""

    field: ClassVar[Field[Any, Any]]

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [(str(value), str(label)) for value, label in self.field.flatchoices]

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(**{self.field.name: self.value()}) if self.value() else rows


class RunFilter(DropdownFilter):
    """The calls of one campaign; offered are the latest campaigns, a link may name any."""

    title = "campaign"
    parameter_name = "run"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        runs = model_admin.admin_site._registry[Run].get_queryset(request)
        latest = list(runs.order_by("-pk")[:RUNS_OFFERED])
        named = self.value() or ""
        if named.isascii() and named.isdigit() and not any(str(run.pk) == named for run in latest):
            latest += runs.filter(pk=named)
        return [(str(run.pk), str(run)) for run in latest]

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        named = self.value()
        if not named:
            return rows
        return rows.filter(run=named) if named.isascii() and named.isdigit() and len(named) < 19 else rows.none()


class DayFilter(DaysFilter):
    """As bounds of the id: ids and times of calls are in the same order."""

    def queryset(self, request: HttpRequest, rows: QuerySet[Call]) -> QuerySet[Call]:
        first, end = self.bounds()
        if first is not None:
            from_it_on = Call.objects.filter(created_at__gte=first).order_by("created_at", "pk")
            lowest = from_it_on.values_list("pk", flat=True).first()
            rows = rows.none() if lowest is None else rows.filter(pk__gte=lowest)
        if end is not None:
            before = Call.objects.filter(created_at__lt=end).order_by("-created_at", "-pk")
            highest = before.values_list("pk", flat=True).first()
            rows = rows.none() if highest is None else rows.filter(pk__lte=highest)
        return rows
