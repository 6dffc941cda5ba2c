"""Workspaces, nodes and tokens in the admin: who sees what, and what nobody sees."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from aispinner.core.auth import issue_token
from aispinner.core.models import ApiToken, Membership, Node, Role, Workspace
from tests.factories import make_node, make_user


@pytest.fixture
def root(db: None) -> Client:
    """A superuser's browser."""
    return browser(User.objects.create_superuser("root", password="x"))


def browser(user: User) -> Client:
    """A browser in which `user` is logged in, as staff."""
    user.is_staff = True
    user.save()
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("model", ["core/workspace", "core/node", "core/apitoken", "auth/user", "auth/group"])
def test_every_list_opens(root: Client, workspace: Workspace, model: str) -> None:
    make_node(workspace=workspace, connected_to=[make_node(workspace=workspace)])
    issue_token(user=make_user())
    assert root.get(f"/admin/{model}/").status_code == 200
    assert root.get(f"/admin/{model}/", {"q": "a"}).status_code == 200


@pytest.mark.parametrize("model", ["core/workspace", "core/node", "auth/user", "auth/group"])
def test_every_form_opens(root: Client, model: str) -> None:
    assert root.get(f"/admin/{model}/add/").status_code == 200


def test_nobody_sees_a_digest(root: Client, owner: User) -> None:
    token, text = issue_token(user=owner, name="laptop")
    for page in ("", f"{token.pk}/change/", f"{token.pk}/delete/"):
        shown = root.get(f"/admin/core/apitoken/{page}").content.decode()
        assert "laptop" in shown
        assert token.digest not in shown
        assert text[4:20] not in shown
    assert root.get("/admin/core/apitoken/add/").status_code == 403


def test_a_token_cannot_be_changed_but_revoked(root: Client, owner: User) -> None:
    token, _ = issue_token(user=owner, name="laptop")
    assert root.post(f"/admin/core/apitoken/{token.pk}/change/", {"name": "other"}).status_code == 403
    root.post("/admin/core/apitoken/", {"action": "revoke", "_selected_action": [token.pk]})
    assert not ApiToken.objects.exists()


def test_members_of_the_staff_see_and_revoke_their_own_tokens_alone(owner: User, editor: User) -> None:
    theirs, _ = issue_token(user=editor, name="theirs")
    issue_token(user=owner, name="mine")
    client = browser(owner)
    shown = client.get("/admin/core/apitoken/").content.decode()
    assert "mine" in shown
    assert "theirs" not in shown
    client.post("/admin/core/apitoken/", {"action": "revoke", "_selected_action": [theirs.pk]})
    assert ApiToken.objects.filter(pk=theirs.pk).exists()


def test_who_makes_a_workspace_owns_it(stranger: User) -> None:
    browser(stranger).post("/admin/core/workspace/add/", {"name": "New", **no_members()})
    made = Workspace.objects.get(name="New")
    assert Membership.objects.get(workspace=made).role == Role.OWNER


def test_owners_change_members_and_others_do_not(owner: User, editor: User, workspace: Workspace) -> None:
    url = f"/admin/core/workspace/{workspace.pk}/change/"
    assert browser(owner).get(url).status_code == 200
    assert "memberships-0-role" in browser(owner).get(url).content.decode()
    assert browser(editor).post(url, {"name": "Taken", **no_members()}).status_code == 403
    workspace.refresh_from_db()
    assert workspace.name == "Acme"


def test_workspaces_and_nodes_of_others_are_not_there(
    owner: User, workspace: Workspace, other_workspace: Workspace
) -> None:
    theirs = make_node(workspace=other_workspace, node_id="their_node")
    client = browser(owner)
    assert "Elsewhere" not in client.get("/admin/core/workspace/").content.decode()
    assert "their_node" not in client.get("/admin/core/node/").content.decode()
    assert client.get(f"/admin/core/node/{theirs.pk}/change/").status_code == 302


def test_a_node_is_connected_within_its_workspace_only(
    editor: User, workspace: Workspace, other_workspace: Workspace
) -> None:
    node, near = make_node(workspace=workspace), make_node(workspace=workspace)
    far = make_node(workspace=other_workspace)
    client = browser(editor)
    form = {"type": node.type, "title": "Renamed", "config": "{}"}
    client.post(f"/admin/core/node/{node.pk}/change/", {**form, "connections": [far.pk]})
    assert not node.connections.exists()
    client.post(f"/admin/core/node/{node.pk}/change/", {**form, "connections": [near.pk]})
    assert list(node.connections.all()) == [near]
    assert Node.objects.get(pk=node.pk).title == "Renamed"


def test_a_viewer_changes_no_node(viewer: User, workspace: Workspace) -> None:
    node = make_node(workspace=workspace, title="Before")
    client = browser(viewer)
    assert client.get(f"/admin/core/node/{node.pk}/change/").status_code == 200
    assert client.post(f"/admin/core/node/{node.pk}/change/", {"title": "After"}).status_code == 403


def no_members() -> dict[str, str]:
    """The inline's management form, empty."""
    return {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
