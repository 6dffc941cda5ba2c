"""Workspaces and who is in them: made and changed under the workspace's lock, so that none is ever without an owner."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from aispinner.core.access import as_id, workspace_for
from aispinner.core.audit import changed, record
from aispinner.core.errors import Conflict, Invalid, NotFound
from aispinner.core.models import Membership, Role, Workspace

LAST_OWNER = "A workspace is never without an owner. Make another member its owner first."


@transaction.atomic
def create_workspace(*, user: User, name: str) -> Membership:
    """A new workspace, as the membership by which `user` owns it."""
    workspace = Workspace.objects.create(name=name)
    record(action="workspace.made", about=workspace, workspace=workspace, by=user)
    return Membership.objects.create(workspace=workspace, user=user, role=Role.OWNER)


def rename_workspace(*, workspace: Workspace, name: str) -> None:
    """Give a locked workspace another name."""
    if name != workspace.name:
        changes = changed({"name": workspace.name}, {"name": name})
        workspace.name = name
        workspace.save(update_fields=["name"])
        record(action="workspace.renamed", about=workspace, workspace=workspace, changes=changes)


def locked_workspace(*, user: User, workspace_id: object, role: Role) -> Workspace:
    """As `workspace_for`, and its row is locked until the transaction ends: changes in a workspace come one by one.

    The role is looked at under the lock, where it cannot change any more.
    """
    number = as_id(workspace_id, field="workspace_id")
    list(
        Workspace.objects.select_for_update(of=("self",), no_key=True)
        .filter(pk=number, memberships__user=user)
        .values_list("pk")
    )
    return workspace_for(user=user, workspace_id=number, role=role)


def add_member(*, workspace: Workspace, username: str, role: Role) -> Membership:
    """Let the user called `username` in. Invalid (422) where there is none, Conflict (409) for who is in already."""
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        sentence = "There is no user of this name. Whoever runs this server can make one in its admin."
        raise Invalid(f"username: {sentence}", errors={"username": [sentence]})
    try:
        with transaction.atomic():
            member = Membership.objects.create(workspace=workspace, user=user, role=role)
            record(action="member.added", about=member, workspace=workspace, changes={"role": role})
            return member
    except IntegrityError:
        raise Conflict("This user is a member already. PATCH the member to change their role.") from None


def member_of(*, workspace: Workspace, user_id: object) -> Membership:
    """The member `user_id` of a workspace that the caller is known to see; NotFound (404) for everybody else."""
    number = as_id(user_id, field="user_id")
    member = Membership.objects.select_related("user").filter(workspace=workspace, user_id=number).first()
    if member is None:
        raise NotFound(f"Member not found. GET /workspaces/{workspace.pk}/members lists them.")
    return member


def change_role(*, member: Membership, role: Role) -> Membership:
    """Give a member another role, from the next request on. Conflict (409) where nobody would be left to own."""
    if role is not Role.OWNER:
        _keep_an_owner(without=member)
    changes = changed({"role": member.role}, {"role": role.value})
    member.role = role
    member.save(update_fields=["role"])
    if changes:
        record(action="member.changed", about=member, workspace=member.workspace, changes=changes)
    return member


def remove_member(*, member: Membership) -> None:
    """See a member out: their next request finds nothing. Conflict (409) for the only owner."""
    _keep_an_owner(without=member)
    record(action="member.removed", about=member, workspace=member.workspace, changes={"role": member.role})
    member.delete()


def _keep_an_owner(*, without: Membership) -> None:
    owners = Membership.objects.filter(workspace=without.workspace_id, role=Role.OWNER, user__is_active=True)
    if not owners.exclude(pk=without.pk).exists():
        raise Conflict(LAST_OWNER)
