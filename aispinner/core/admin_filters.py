"""From day to day, as a filter of the admin's lists."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from django.http import HttpRequest

if TYPE_CHECKING:
    from django.contrib.admin import FieldListFilter as RangeDateFilter
else:
    from unfold.contrib.filters.admin import RangeDateFilter


class DaysFilter(RangeDateFilter):
    """From day to day (UTC, both inclusive)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = "day (UTC)"

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        first, end = self.bounds()
        if first is not None:
            rows = rows.filter(**{f"{self.field_path}__gte": first})
        return rows.filter(**{f"{self.field_path}__lt": end}) if end is not None else rows

    def bounds(self) -> tuple[datetime | None, datetime | None]:
        """The first moment that is meant, and the first after them; None where none, or nonsense, was given."""
        first, last = (self._day(end) for end in ("from", "to"))
        return first, last and last + timedelta(days=1)

    def _day(self, end: str) -> datetime | None:
        value = self.used_parameters.get(f"{self.field_path}_{end}")
        try:
            return datetime.combine(datetime.strptime(str(value), "%Y-%m-%d"), time(), tzinfo=UTC) if value else None  # noqa: DTZ007
        except ValueError:
            return None
