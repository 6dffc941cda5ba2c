"""What every admin page shares: members see their workspaces alone, roles decide, and what is done is written down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.contrib.auth.models import AnonymousUser, User
from django.db.models import ForeignKey, Model, Q, QuerySet
from django.http import HttpRequest

from aispinner.core.audit import history, record
from aispinner.core.audit_words import trail
from aispinner.core.errors import Problem
from aispinner.core.models import AuditEntry, Membership, Node, Role, Workspace

M = TypeVar("M", bound=Model)

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin as _Base
    from django.forms import ModelChoiceField
else:
    from unfold.admin import ModelAdmin as _UnfoldAdmin

    class _Base(_UnfoldAdmin):
        def __class_getitem__(cls, _model: object) -> type:
            return cls


HISTORY_SHOWN = 20
MOST_WATCHED = 50  # workspaces that one socket may follow


class Audited(_Base[M]):
    """Writes the audit trail, in place of Django's own log of the admin.

    What is changed by a service is recorded there; `records_itself` is for rows that the form itself saves.
    """

    audit_kind: ClassVar[str] = ""  # what the trail calls such a row: `campaign`
    records_itself: ClassVar[bool] = False
    change_form_after_template: str | None = "console/audit/panel.html"

    def log_addition(self, request: HttpRequest, obj: M, message: Any) -> None:  # type: ignore[override]
        """A row made by the form."""
        self._note("added", obj)

    def log_change(self, request: HttpRequest, obj: M, message: Any) -> None:  # type: ignore[override]
        """A row changed by the form: which fields, not what they hold."""
        parts = message if isinstance(message, list) else []
        fields = [name for part in parts for name in part.get("changed", {}).get("fields", ())]
        if fields or not isinstance(message, list):
            self._note("changed", obj, **({"fields": fields} if fields else {"what": str(message)}))

    def log_deletions(self, request: HttpRequest, queryset: Any) -> None:  # type: ignore[override]
        """Rows deleted by the form."""
        for row in queryset:
            self._note("deleted", row)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """The form, with the row's history for those who may read the trail."""
        context = dict(extra_context or {})
        row = self.get_object(request, object_id) if object_id and self.audit_kind else None
        if row is not None:
            entries = visible_entries(request, history(kind=self.audit_kind, about=row))[:HISTORY_SHOWN]
            context |= {"audit_trail": trail(entries), "audit_shown": True}
        return super().changeform_view(request, object_id, form_url, context)

    def _note(self, done: str, row: M, **changes: Any) -> None:
        if self.records_itself:
            workspace = getattr(row, "workspace", None)
            record(action=f"{self.audit_kind}.{done}", about=row, workspace=workspace, changes=changes)


class ConsoleAdmin(Audited[M]):
    """A ModelAdmin whose rights come from memberships: superusers all, other staff what their role allows, no more.

    A role that is None means that nobody may, whoever it is: such rows are changed by their services alone.
    """

    workspace_paths: ClassVar[Sequence[str]] = ("workspace",)  # from a row to the workspaces that it belongs to
    add_role: ClassVar[Role | None] = None
    change_role: ClassVar[Role | None] = None
    delete_role: ClassVar[Role | None] = None
    empty_icon = "inbox"
    empty_title = "Nothing here yet"
    empty_text = ""
    empty_link: ClassVar[tuple[str, str] | None] = None  # (url name, words)
    list_fullwidth = True
    show_facets = ShowFacets.NEVER  # each would count whole tables
    list_per_page = 50
    compressed_fields = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[M]:
        """The rows of the person's workspaces."""
        rows = super().get_queryset(request)
        return rows if sees_all(request) else self.within(rows, list(roles_of(request)))

    def within(self, rows: QuerySet[M], workspaces: list[int]) -> QuerySet[M]:
        """`rows` that belong to one of `workspaces`; each row once, however many ways lead to it."""
        if len(self.workspace_paths) == 1 and "__" not in self.workspace_paths[0]:
            return rows.filter(**{f"{self.workspace_paths[0]}__in": workspaces})
        ways = Q()
        for path in self.workspace_paths:
            ways |= Q(pk__in=self.model._default_manager.filter(**{f"{path}__in": workspaces}).values("pk"))
        return rows.filter(ways)

    def role_in(self, request: HttpRequest, row: M) -> Role | None:
        """The highest role that the person has in a workspace of `row`."""
        roles = roles_of(request)
        found = [roles[pk] for pk in self._workspaces_of(row) if pk in roles]
        return max(found, key=list(Role).index, default=None)

    def _workspaces_of(self, row: M) -> set[int]:
        if tuple(self.workspace_paths) == ("workspace",):
            return {row.workspace_id}  # type: ignore[attr-defined]
        same = self.model._default_manager.filter(pk=row.pk).order_by()
        return {
            pk for path in self.workspace_paths for pk in same.values_list(path, flat=True).distinct() if pk is not None
        }

    def may(self, request: HttpRequest, role: Role | None, row: M | None = None) -> bool:
        """Whether the person may do what takes `role`: to `row`, or, without one, to any row of theirs."""
        if role is None or not _is_staff(request):
            return False
        if sees_all(request):
            return True
        if row is None:
            return any(own.includes(role) for own in roles_of(request).values())
        own = self.role_in(request, row)
        return own is not None and own.includes(role)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _is_staff(request)

    def has_view_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return self.may(request, Role.VIEWER, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.may(request, self.add_role)

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return self.may(request, self.change_role, obj)

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return self.may(request, self.delete_role, obj)

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        """Offer only workspaces, and nodes of workspaces, in which the person may do what this form does."""
        if "queryset" not in kwargs and db_field.related_model in {Workspace, Node}:
            role = self.add_role or self.change_role or Role.OWNER
            mine = workspaces_with(request, role)
            kwargs["queryset"] = (
                mine if db_field.related_model is Workspace else Node.objects.filter(workspace__in=mine)
            )
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Where only one workspace can be meant, it is chosen already."""
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        offered = list(workspaces_with(request, self.add_role or Role.OWNER)[:2])
        return {"workspace": offered[0].pk, **initial} if len(offered) == 1 else initial

    def tell_problem(self, request: HttpRequest, problem: Problem, *, about: str = "") -> None:
        """Show why something was not done."""
        sentence = str(problem.detail)
        self.message_user(request, f"{about}: {sentence}" if about else sentence, messages.ERROR)


def sees_all(request: HttpRequest) -> bool:
    """Whether this is somebody whom no membership limits."""
    return isinstance(request.user, User) and request.user.is_active and request.user.is_superuser


def visible_entries(request: HttpRequest, entries: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
    """Those of `entries` that the person may read: of workspaces that they own, and about what they did themselves."""
    if sees_all(request):
        return entries
    owned = [pk for pk, role in roles_of(request).items() if role is Role.OWNER]
    return entries.filter(Q(workspace__in=owned) | Q(user=request.user.pk))


def roles_of(request: HttpRequest) -> dict[int, Role]:
    """The person's role in each of their workspaces; read once for a request."""
    known: dict[int, Role] | None = getattr(request, "_console_roles", None)
    if known is None:
        known = {} if isinstance(request.user, AnonymousUser) else _read_roles(request.user)
        request._console_roles = known  # type: ignore[attr-defined]
    return known


def watched(request: HttpRequest) -> str:
    """The ids of the person's workspaces, with commas, whose events tell of all that they see; empty where they see
    more than that: sockets are for members."""
    mine = roles_of(request)
    if len(mine) > MOST_WATCHED or (sees_all(request) and Workspace.objects.exclude(pk__in=mine).exists()):
        return ""
    return ",".join(map(str, mine))


def workspaces_with(request: HttpRequest, role: Role) -> QuerySet[Workspace]:
    """The workspaces in which the person has at least `role`."""
    everything = Workspace.objects.order_by("name", "pk")
    if sees_all(request):
        return everything
    return everything.filter(pk__in=[pk for pk, own in roles_of(request).items() if own.includes(role)])


def _read_roles(user: User) -> dict[int, Role]:
    return {pk: Role(role) for pk, role in Membership.objects.filter(user=user).values_list("workspace_id", "role")}


def _is_staff(request: HttpRequest) -> bool:
    return bool(request.user.is_active and request.user.is_staff)
