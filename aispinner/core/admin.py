"""Workspaces, members, nodes, tokens and users in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db.models import Count, ManyToManyField, QuerySet
from django.forms import BaseInlineFormSet, ModelForm
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from aispinner.core import admin_audit  # noqa: F401 - registers the audit trail
from aispinner.core.admin_base import Audited, ConsoleAdmin, sees_all
from aispinner.core.admin_html import badge, muted, two_lines, when
from aispinner.core.audit import record
from aispinner.core.auth import revoke_token
from aispinner.core.models import ApiToken, Membership, Node, Role, Workspace
from aispinner.core.workspaces import LAST_OWNER, create_workspace, rename_workspace

if TYPE_CHECKING:
    from django.contrib.admin import TabularInline as UnfoldTabularInline
    from django.contrib.auth.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
    from django.forms import ModelMultipleChoiceField

    TabularInline = UnfoldTabularInline[Membership, Workspace]

    class UserBase(DjangoUserAdmin[User]):
        pass

    class GroupBase(DjangoGroupAdmin):
        pass
else:
    from unfold.admin import TabularInline
    from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

    class UserBase(Audited, DjangoUserAdmin):
        pass

    class GroupBase(Audited, DjangoGroupAdmin):
        pass


class MembersFormSet(BaseInlineFormSet):  # type: ignore[type-arg]  # not subscriptable at run time
    """As the API: never without an owner."""

    def clean(self) -> None:
        super().clean()
        if any(self.errors) or not self.instance.pk:
            return
        kept = [form.cleaned_data for form in self.forms if form.cleaned_data and not form.cleaned_data.get("DELETE")]
        if not any(each["role"] == Role.OWNER and each["user"].is_active for each in kept):
            raise ValidationError(LAST_OWNER)


class MembersInline(TabularInline):
    """The members of a workspace, changed by its owners."""

    model = Membership
    formset = MembersFormSet
    fields = ("user", "role")
    extra = 0
    verbose_name = "member"

    def has_view_permission(self, request: HttpRequest, obj: Workspace | None = None) -> bool:
        return self._workspaces.has_view_permission(request, obj)

    def has_add_permission(self, request: HttpRequest, obj: Workspace | None = None) -> bool:
        return obj is not None and self._workspaces.has_change_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Workspace | None = None) -> bool:
        return self._workspaces.has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Workspace | None = None) -> bool:
        return self._workspaces.has_change_permission(request, obj)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Said aloud what the column's head says to the eye."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        outer: Any = field.widget if field is not None else None
        for widget in filter(None, (outer, getattr(outer, "widget", None))):
            widget.attrs["aria-label"] = str(db_field.verbose_name).capitalize()
        return field

    @property
    def _workspaces(self) -> WorkspaceAdmin:
        registered: Any = self.admin_site._registry[Workspace]
        found: WorkspaceAdmin = registered
        return found


@admin.register(Workspace)
class WorkspaceAdmin(ConsoleAdmin[Workspace]):
    """Anybody who may come into the admin may make one, and owns it then."""

    workspace_paths = ("pk",)
    audit_kind = "workspace"
    change_role = Role.OWNER
    inlines = (MembersInline,)
    fields = ("name",)
    list_display = ("named", "members_count", "nodes_count", "created")
    search_fields = ("name",)
    actions = None
    empty_icon = "workspaces"
    empty_title = "No workspace yet"
    empty_text = "Everything belongs to a workspace: nodes, keys, campaigns and calls."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Workspace]:
        rows = super().get_queryset(request)
        return rows.annotate(
            members_total=Count("memberships", distinct=True), nodes_total=Count("nodes", distinct=True)
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_module_permission(request)

    def save_model(self, request: HttpRequest, obj: Workspace, form: ModelForm[Workspace], change: bool) -> None:
        """By the services that the API uses; who made it owns it."""
        if change:
            rename_workspace(workspace=Workspace.objects.get(pk=obj.pk), name=obj.name)
        else:
            obj.pk = create_workspace(user=cast(User, request.user), name=obj.name).workspace_id

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """The members, each change written down as the API's are."""
        formset.save()
        for done, members in (
            ("added", formset.new_objects),
            ("changed", [member for member, _ in formset.changed_objects]),
            ("removed", formset.deleted_objects),
        ):
            for member in members:
                changes = {"role": member.role}
                record(action=f"member.{done}", about=member, workspace=member.workspace, changes=changes)

    @admin.display(description="workspace", ordering="name")
    def named(self, workspace: Workspace) -> SafeString:
        return two_lines(workspace.name, f"id {workspace.pk}")

    @admin.display(description="members")
    def members_count(self, workspace: Workspace) -> int:
        return int(getattr(workspace, "members_total", 0))

    @admin.display(description="nodes")
    def nodes_count(self, workspace: Workspace) -> int:
        return int(getattr(workspace, "nodes_total", 0))

    @admin.display(description="made", ordering="created_at")
    def created(self, workspace: Workspace) -> SafeString:
        return when(workspace.created_at)


@admin.register(Node)
class NodeAdmin(ConsoleAdmin[Node]):
    """The blocks of the canvas. A node keeps its workspace and its id for life: calls and campaigns hang on them."""

    audit_kind, records_itself = "node", True
    add_role = change_role = delete_role = Role.EDITOR
    fields = ("workspace", "node_id", "type", "title", "config", "connections")
    list_display = ("named", "type_badge", "workspace", "connected")
    list_filter = ("type", "workspace")
    search_fields = ("node_id", "title")
    actions = None
    empty_icon = "hub"
    empty_title = "No nodes yet"
    empty_text = "A campaign starts from a PBX or phone-number node and talks through an agent node."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Node]:
        return super().get_queryset(request).select_related("workspace").prefetch_related("connections")

    def get_readonly_fields(self, _request: HttpRequest, obj: Node | None = None) -> tuple[str, ...]:
        """Fixed once it exists."""
        return ("workspace", "node_id") if obj else ()

    def get_exclude(self, request: HttpRequest, obj: Node | None = None) -> Any:
        """Nothing to connect a node to before it is in a workspace."""
        return super().get_exclude(request, obj) if obj else ("connections",)

    def get_fields(self, _request: HttpRequest, obj: Node | None = None) -> Any:
        return self.fields if obj else tuple(name for name in self.fields if name != "connections")

    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelMultipleChoiceField[Any] | None:
        """Connections stay within the workspace."""
        match = request.resolver_match
        node = self.get_object(request, match.kwargs["object_id"]) if match and "object_id" in match.kwargs else None
        others = Node.objects.filter(workspace=node.workspace).exclude(pk=node.pk) if node else Node.objects.none()
        return super().formfield_for_manytomany(db_field, request, queryset=others, **kwargs)

    @admin.display(description="node", ordering="node_id")
    def named(self, node: Node) -> SafeString:
        return two_lines(node.title or node.node_id, node.node_id)

    @admin.display(description="type", ordering="type")
    def type_badge(self, node: Node) -> SafeString:
        return badge(node.get_type_display(), "idle", hint=node.type)

    @admin.display(description="connected to")
    def connected(self, node: Node) -> SafeString | str:
        return ", ".join(str(other) for other in node.connections.all()) or muted("—")


@admin.register(ApiToken)
class ApiTokenAdmin(ConsoleAdmin[ApiToken]):
    """Who has access by which token. It can be revoked here; neither its text nor its digest is shown anywhere."""

    audit_kind = "token"
    fields = readonly_fields = ("public_id", "name", "user", "state", "made", "until")
    list_display = ("named", "user", "state", "made", "until")
    search_fields = ("name", "public_id", "user__username")
    actions = ("revoke",)
    empty_icon = "vpn_key"
    empty_title = "No tokens yet"
    empty_text = "POST /auth/token makes one; so does `./dev token`."

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        """One's own; everybody's for superusers."""
        rows = admin.ModelAdmin.get_queryset(self, request).select_related("user")
        return rows if sees_all(request) else rows.filter(user_id=request.user.pk)

    def may(self, request: HttpRequest, role: Role | None, row: ApiToken | None = None) -> bool:
        """See and revoke one's own; superusers any."""
        if role is None or not self.has_module_permission(request):
            return False
        return row is None or sees_all(request) or row.user_id == request.user.pk

    def has_delete_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return self.may(request, Role.VIEWER, obj)

    @admin.action(description="Revoke the selected tokens", permissions=["delete"])
    def revoke(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        """Refused everywhere from this moment."""
        chosen = list(tokens)
        for token in chosen:
            revoke_token(token=token)
        self.message_user(request, f"{len(chosen)} token{'s' if len(chosen) != 1 else ''} revoked.")

    def delete_model(self, request: HttpRequest, obj: ApiToken) -> None:
        revoke_token(token=obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Revoking is what deleting means here."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    @admin.display(description="token")
    def named(self, token: ApiToken) -> SafeString:
        return two_lines(token.name or "Token", token.public_id)

    @admin.display(description="state")
    def state(self, token: ApiToken) -> SafeString:
        if not token.user.is_active:
            return badge("User is inactive", "bad")
        expired = token.expiry is not None and token.expiry <= timezone.now()
        return badge("Expired", "idle") if expired else badge("Good", "ok")

    @admin.display(description="made", ordering="created")
    def made(self, token: ApiToken) -> SafeString:
        return when(token.created)

    @admin.display(description="good until", ordering="expiry")
    def until(self, token: ApiToken) -> SafeString:
        return when(token.expiry, empty="revoked")


admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(UserBase):
    """Django's own, in this admin's looks; for superusers and whom they permit."""

    audit_kind, records_itself = "user", True
    form = UserChangeForm  # type: ignore[assignment]  # Django's own admin does the same
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(GroupBase):
    """Django's own, in this admin's looks."""

    audit_kind, records_itself = "group", True
