"""Filters of the lists that stay quick at a million rows."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.admin import ModelAdmin
from django.db.models import Field, QuerySet
from django.http import HttpRequest

from telephony.models import Call, Run

if TYPE_CHECKING:
    from django.contrib.admin import FieldListFilter as RangeDateFilter
    from django.contrib.admin import SimpleListFilter as DropdownFilter
else:
    from unfold.contrib.filters.admin import DropdownFilter, RangeDateFilter

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


class DayFilter(RangeDateFilter):
    """From day to day (UTC, both inclusive), as bounds of the id: ids and times of calls are in the same order."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = "day (UTC)"

    def queryset(self, request: HttpRequest, rows: QuerySet[Call]) -> QuerySet[Call]:
        first, last = (self._day(end) for end in ("from", "to"))
        if first is not None:
            lowest = (
                Call.objects.filter(created_at__gte=first)
                .order_by("created_at", "pk")
                .values_list("pk", flat=True)
                .first()
            )
            rows = rows.none() if lowest is None else rows.filter(pk__gte=lowest)
        if last is not None:
            before = Call.objects.filter(created_at__lt=last + timedelta(days=1)).order_by("-created_at", "-pk")
            highest = before.values_list("pk", flat=True).first()
            rows = rows.none() if highest is None else rows.filter(pk__lte=highest)
        return rows

    def _day(self, end: str) -> datetime | None:
        """Midnight of the day asked for, UTC; None where none, or nonsense, was given."""
        value = self.used_parameters.get(f"{self.field_path}_{end}")
        try:
            return datetime.combine(datetime.strptime(str(value), "%Y-%m-%d"), time(), tzinfo=UTC) if value else None  # noqa: DTZ007
        except ValueError:
            return None
