"""Workspaces over HTTP: made by anybody, seen by their members, renamed and deleted by their owners."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.utils import timezone
from rest_framework.test import APIClient

from agents.models import Agent
from aispinner.core.models import Membership, Node, Role, Workspace
from integrations.models import ElevenLabsKey
from telephony.models import Call, CallEvent, Recipient, Run, RunStatus
from telephony.recordings import recording_name
from tests.factories import make_member, make_node, make_run, make_user, make_workspace
from tests.journal.conftest import committed
from tests.journal.rows import make_call

__all__ = ["committed"]
ClientFor = Callable[[User], APIClient]


def test_who_makes_a_workspace_owns_it(stranger: User, client_for: ClientFor) -> None:
    client = client_for(stranger)
    made = client.post("/workspaces", {"name": "  Acme  "})
    assert made.status_code == 201
    answer = made.json()
    assert set(answer) == {"id", "name", "role", "created_at"}
    assert (answer["name"], answer["role"]) == ("Acme", "owner")
    assert client.get(f"/workspaces/{answer['id']}").json() == answer


def test_one_sees_the_workspaces_that_one_is_in_the_oldest_membership_first(
    viewer: User, workspace: Workspace, other_workspace: Workspace, client_for: ClientFor
) -> None:
    second = make_workspace("Second", owner=viewer)
    answer = client_for(viewer).get("/workspaces").json()
    assert answer["total"] == 2
    assert [(each["id"], each["role"]) for each in answer["workspaces"]] == [
        (workspace.pk, "viewer"),
        (second.pk, "owner"),
    ]


def test_an_owner_gives_it_another_name(owner: User, workspace: Workspace, client_for: ClientFor) -> None:
    address, client = f"/workspaces/{workspace.pk}", client_for(owner)
    assert client.patch(address, {"name": "Other"}).json()["name"] == "Other"
    sent_back = client.get(address).json()
    assert client.patch(address, sent_back).json() == sent_back
    assert client.patch(address, {}).json()["name"] == "Other"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": " "}, "name"),
        ({"name": None}, "name"),
        ({"name": 5}, "name"),
        ({"name": "n" * 201}, "name"),
        ({"name": "Acme", "nmae": "x"}, "nmae"),
        ([], "non_field_errors"),
    ],
)
def test_a_name_that_is_none_is_refused(stranger: User, client_for: ClientFor, body: Any, field: str) -> None:
    response = client_for(stranger).post("/workspaces", body)
    assert response.status_code == 422
    assert list(response.json()["errors"]) == [field]
    assert not Workspace.objects.exists()


def test_a_deleted_workspace_takes_everything_along(
    owner: User, other_workspace: Workspace, workspace: Workspace, client_for: ClientFor, settings: Any, tmp_path: Any,
    django_capture_on_commit_callbacks: Any,
) -> None:  # fmt: skip
    settings.MEDIA_ROOT = tmp_path
    for each in (workspace, other_workspace):
        run = make_run(workspace=each, status=RunStatus.COMPLETED, finished_at=timezone.now())
        call = make_call(workspace=each, run=run, pbx=run.node, agent=run.agent.node, recipient=run.recipients.first())
        CallEvent.objects.create(id=call.pk + 10**6, workspace=each, run=run, call=call, type="x", at=timezone.now())
        default_storage.save(recording_name(call), ContentFile(b"mp3"))
    with django_capture_on_commit_callbacks(execute=True):
        assert client_for(owner).delete(f"/workspaces/{workspace.pk}").status_code == 204
    assert list(Workspace.objects.all()) == [other_workspace]
    for model in (Run, Call, CallEvent, ElevenLabsKey, Agent, Membership):
        assert set(model._default_manager.values_list("workspace", flat=True)) == {other_workspace.pk}, model
    assert Recipient.objects.count() == 2
    assert default_storage.listdir("recordings")[0] == [str(other_workspace.pk)]
    assert client_for(owner).get("/workspaces").json() == {"workspaces": [], "total": 0}


@pytest.mark.parametrize("status", [RunStatus.RUNNING, RunStatus.PAUSING, RunStatus.PAUSED, RunStatus.CANCELLED])
def test_a_workspace_with_an_unfinished_campaign_stays(
    owner: User, workspace: Workspace, client_for: ClientFor, status: RunStatus
) -> None:
    run = make_run(workspace=workspace, status=status)
    response = client_for(owner).delete(f"/workspaces/{workspace.pk}")
    assert response.status_code == 409
    assert run.call_id in response.json()["detail"]
    assert Run.objects.exists()


def test_what_begins_in_a_workspace_while_it_is_deleted_is_refused(committed: None, client_for: ClientFor) -> None:
    user = make_user()
    workspace, client = make_workspace(owner=user), client_for(user)
    answers = []

    def make() -> None:
        answers.append(client.post(f"/workspaces/{workspace.pk}/nodes", {"node_id": "late", "type": "ai.pbx"}))
        connection.close()

    rival = threading.Thread(target=make)
    with transaction.atomic():
        Workspace.objects.select_for_update().get(pk=workspace.pk)
        rival.start()
        rival.join(0.3)
        assert rival.is_alive()  # it waits
        workspace.delete()
    rival.join()
    assert answers[0].status_code == 404
    assert not Node.objects.exists()


def test_members_are_listed_with_their_roles(viewer: User, workspace: Workspace, client_for: ClientFor) -> None:
    answer = client_for(viewer).get(f"/workspaces/{workspace.pk}/members").json()
    assert answer["total"] == 3
    assert [(each["username"], each["role"]) for each in answer["members"]] == [
        ("owner", "owner"),
        ("editor", "editor"),
        ("viewer", "viewer"),
    ]
    assert set(answer["members"][0]) == {"user_id", "username", "role", "created_at"}


def test_who_is_let_in_sees_it_at_once_and_who_is_seen_out_no_longer(
    owner: User, stranger: User, workspace: Workspace, client_for: ClientFor
) -> None:
    make_node(workspace=workspace, node_id="pbx")
    members, node = f"/workspaces/{workspace.pk}/members", f"/workspaces/{workspace.pk}/nodes/pbx"
    ours, theirs = client_for(owner), client_for(stranger)
    assert theirs.get(node).status_code == 404
    added = ours.post(members, {"username": "stranger", "role": "viewer"})
    assert added.status_code == 201
    assert (theirs.get(node).status_code, theirs.patch(node, {"title": "T"}).status_code) == (200, 403)
    member = f"{members}/{added.json()['user_id']}"
    assert ours.patch(member, {"role": "editor"}).json()["role"] == "editor"
    assert theirs.patch(node, {"title": "T"}).status_code == 200
    assert ours.delete(member).status_code == 204
    assert theirs.get(node).status_code == 404
    assert ours.delete(member).status_code == 404


def test_a_member_is_let_in_once_and_as_a_viewer_unless_more_is_said(
    owner: User, stranger: User, workspace: Workspace, client_for: ClientFor
) -> None:
    client, address = client_for(owner), f"/workspaces/{workspace.pk}/members"
    assert client.post(address, {"username": "stranger"}).json()["role"] == "viewer"
    response = client.post(address, {"username": "stranger", "role": "owner"})
    assert response.status_code == 409
    assert Membership.objects.get(user=stranger).role == Role.VIEWER


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"username": "nobody"}, "username"),
        ({"username": "asleep"}, "username"),
        ({"username": None}, "username"),
        ({"role": "viewer"}, "username"),
        ({"username": "owner", "role": "king"}, "role"),
        ({"username": "owner", "role": ["owner"]}, "role"),
        ({"user": "owner", "username": "stranger"}, "user"),
    ],
)
def test_who_is_nobody_and_what_is_no_role_is_refused(
    owner: User, stranger: User, workspace: Workspace, client_for: ClientFor, body: Any, field: str
) -> None:
    User.objects.filter(pk=make_user("asleep").pk).update(is_active=False)
    response = client_for(owner).post(f"/workspaces/{workspace.pk}/members", body)
    assert response.status_code == 422
    assert list(response.json()["errors"]) == [field]
    assert workspace.memberships.count() == 3


@pytest.mark.parametrize("change", ["PATCH", "DELETE"])
def test_the_only_owner_stays_owner(owner: User, workspace: Workspace, client_for: ClientFor, change: str) -> None:
    client, address = client_for(owner), f"/workspaces/{workspace.pk}/members/{owner.pk}"
    User.objects.filter(pk=make_member(workspace=workspace, user=make_user(), role=Role.OWNER).user_id).update(
        is_active=False  # an owner who cannot come in is none
    )
    response = client.generic(change, address, '{"role": "editor"}', content_type="application/json")
    assert response.status_code == 409
    assert "owner" in response.json()["detail"]
    make_member(workspace=workspace, user=make_user(), role=Role.OWNER)
    assert client.generic(change, address, '{"role": "editor"}', content_type="application/json").status_code < 300


def test_two_owners_who_see_each_other_out_leave_one(committed: None, client_for: ClientFor) -> None:
    first, second = make_user(), make_user()
    workspace = make_workspace(owner=first)
    make_member(workspace=workspace, user=second, role=Role.OWNER)
    client, statuses = client_for(second), []

    def rival() -> None:
        statuses.append(client.delete(f"/workspaces/{workspace.pk}/members/{first.pk}").status_code)
        connection.close()

    thread = threading.Thread(target=rival)
    with transaction.atomic():
        Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
        Membership.objects.filter(user=second).delete()
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
    thread.join()
    assert statuses == [404]  # whom the first saw out sees nothing any more
    assert list(workspace.memberships.values_list("user", "role")) == [(first.pk, "owner")]
