"""The audit trail in the admin: who did what, to read, to filter, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin import ModelAdmin, ShowFacets
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from aispinner.core.admin_base import ConsoleAdmin, visible_entries, workspaces_with
from aispinner.core.admin_filters import DaysFilter
from aispinner.core.admin_html import muted, two_lines, when
from aispinner.core.audit_words import changes_of, deed_badge, in_words, way_of, who
from aispinner.core.models import AuditEntry, Role, Via

if TYPE_CHECKING:
    from django.contrib.admin import SimpleListFilter as DropdownFilter
    from django.core.paginator import Paginator as InfinitePaginator
else:
    from unfold.contrib.filters.admin import DropdownFilter
    from unfold.paginator import InfinitePaginator

KINDS = (
    *("campaign", "key", "account", "phone_provider", "agent", "node", "settings"),
    *("workspace", "member", "user", "group", "token"),
)
PEOPLE_OFFERED = 200


class KindFilter(DropdownFilter):
    """What it was done to."""

    title = "about"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [(kind, in_words(kind)) for kind in KINDS]

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(action__startswith=f"{self.value()}.") if self.value() else rows


class WhoFilter(DropdownFilter):
    """Who did it; offered are the people whom one may read about."""

    title = "who"
    parameter_name = "who"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        owned = Q(memberships__workspace__in=workspaces_with(request, Role.OWNER))
        people = User.objects.filter(owned | Q(pk__in=[request.user.pk])).distinct().order_by("username")
        return [(str(user.pk), user.get_username()) for user in people[:PEOPLE_OFFERED]]

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        named = self.value() or ""
        if not named:
            return rows
        return rows.filter(user=named) if named.isascii() and named.isdigit() and len(named) < 19 else rows.none()


class WorkspaceFilter(DropdownFilter):
    """Where it was done."""

    title = "workspace"
    parameter_name = "in"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [(str(pk), name) for pk, name in workspaces_with(request, Role.OWNER).values_list("pk", "name")]

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        named = self.value() or ""
        if not named:
            return rows
        return rows.filter(workspace=named) if named.isascii() and named.isdigit() and len(named) < 19 else rows.none()


class ViaFilter(DropdownFilter):
    """How they came in."""

    title = "by way of"
    parameter_name = "via"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [(str(value), str(label)) for value, label in Via.choices]

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(via=self.value()) if self.value() else rows


@admin.register(AuditEntry)
class AuditAdmin(ConsoleAdmin[AuditEntry]):
    """Superusers read all; others read of the workspaces that they own, and what they did themselves."""

    list_display = ("moment", "person", "deed", "thing", "told", "place")
    list_display_links = ("moment",)
    list_filter = (KindFilter, ViaFilter, WorkspaceFilter, WhoFilter, ("at", DaysFilter))
    list_filter_submit = True
    show_facets = ShowFacets.NEVER
    search_fields = ("object_id__exact", "username__exact", "token_id__exact", "request_id__exact", "object_name")
    search_help_text = "Name or whole id of what it was done to, username, token id or request id"
    ordering = ("-pk",)
    sortable_by = ()
    show_full_result_count = False
    paginator = InfinitePaginator
    actions = None
    fields = readonly_fields = (*("moment", "person", "way", "token", "deed", "thing", "told", "place", "request_id"),)
    empty_icon = "history"
    empty_title = "Nothing has been done yet"
    empty_text = "Campaigns started and stopped, keys, numbers, members and tokens changed: who did it is kept here."

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEntry]:
        rows = admin.ModelAdmin.get_queryset(self, request).select_related("workspace")
        return visible_entries(request, rows)

    def may(self, request: HttpRequest, role: Role | None, row: AuditEntry | None = None) -> bool:
        """Read; the queryset says what."""
        return role is Role.VIEWER and self.has_module_permission(request)

    @admin.display(description="when")
    def moment(self, entry: AuditEntry) -> SafeString:
        return when(entry.at)

    @admin.display(description="who")
    def person(self, entry: AuditEntry) -> SafeString:
        return two_lines(who(entry), way_of(entry))

    @admin.display(description="by way of")
    def way(self, entry: AuditEntry) -> str:
        return entry.get_via_display()

    @admin.display(description="API token")
    def token(self, entry: AuditEntry) -> object:
        return f"{entry.token_name or 'Token'} ({entry.token_id})" if entry.token_id else muted("—")

    @admin.display(description="what")
    def deed(self, entry: AuditEntry) -> SafeString:
        return deed_badge(entry)

    @admin.display(description="to")
    def thing(self, entry: AuditEntry) -> SafeString:
        return two_lines(entry.object_name or entry.object_id, entry.object_id)

    @admin.display(description="changes")
    def told(self, entry: AuditEntry) -> SafeString:
        return changes_of(entry)

    @admin.display(description="workspace")
    def place(self, entry: AuditEntry) -> object:
        return entry.workspace or muted("—" if entry.workspace_id is None else f"{entry.workspace_id}, deleted")
