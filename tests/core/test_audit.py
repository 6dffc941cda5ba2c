"""The audit trail: who did what and by which token, with the change itself, for good."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from aispinner.core.audit import FAILURES_A_MINUTE, record
from aispinner.core.auth import issue_token
from aispinner.core.models import AuditEntry, Membership, Role, Via, Workspace
from aispinner.core.workspaces import add_member, change_role, create_workspace, remove_member
from tests.factories import make_node, make_user

pytestmark = pytest.mark.django_db
ClientFor = Callable[[User], APIClient]


def latest(action: str) -> AuditEntry:
    return AuditEntry.objects.filter(action=action).latest("pk")


def test_what_is_done_with_a_token_names_the_person_the_token_and_the_request(
    owner: User, workspace: Workspace
) -> None:
    token, text = issue_token(user=owner, name="canvas")
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}", HTTP_X_REQUEST_ID="req-12345678")
    body = {"node_id": "pbx_1", "type": "ai.pbx"}
    assert client.post(f"/workspaces/{workspace.pk}/nodes", body).status_code == 201
    entry = latest("node.made")
    assert (entry.user, entry.username, entry.via) == (owner, "owner", Via.API)
    assert (entry.token_id, entry.token_name) == (token.public_id, "canvas")
    assert (entry.object_id, entry.workspace, entry.request_id) == ("pbx_1", workspace, "req-12345678")


def test_an_entry_holds_nothing_of_the_tokens_text_or_digest(owner: User, workspace: Workspace) -> None:
    token, text = issue_token(user=owner, name="canvas")
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    client.patch(f"/workspaces/{workspace.pk}", {"name": "Renamed"})
    written = str(list(AuditEntry.objects.values()))
    assert text not in written
    assert text[4:12] not in written
    assert token.digest not in written


def test_what_nobody_asked_for_was_done_by_the_server(workspace: Workspace) -> None:
    record(action="node.made", about=make_node(workspace=workspace), workspace=workspace)
    entry = latest("node.made")
    assert (entry.via, entry.username, entry.token_id, entry.request_id) == (Via.SYSTEM, "", "", "")


def test_no_entry_without_the_change(workspace: Workspace) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        add_member(workspace=workspace, username=make_user("newcomer").username, role=Role.VIEWER)
        raise RuntimeError
    assert not AuditEntry.objects.filter(action="member.added").exists()


def test_numbers_keys_and_tokens_are_cut_out_of_names_and_changes(workspace: Workspace) -> None:
    node = make_node(workspace=workspace, title="Call +1 555 010 0123")
    told = {"title": ["sk_live_abcdef", "+15550100123"], "deep": {"list": ["Bearer abcdefgh"]}, "n": 3}
    record(action="node.changed", about=node, workspace=workspace, changes=told)
    entry = latest("node.changed")
    assert entry.object_name == "Call [number]"
    assert entry.changes == {"title": ["[key]", "[number]"], "deep": {"list": ["Bearer [token]"]}, "n": 3}


@pytest.mark.parametrize("statement", ["UPDATE core_auditentry SET username = 'x'", "DELETE FROM core_auditentry"])
def test_the_database_refuses_to_change_or_delete_an_entry(workspace: Workspace, statement: str) -> None:
    record(action="node.made", about=workspace, workspace=workspace)
    with pytest.raises(IntegrityError, match="never changed or deleted"), transaction.atomic():
        from django.db import connection

        connection.cursor().execute(statement)
    assert latest("node.made").username == ""


def test_an_entry_outlives_whom_and_what_it_names(owner: User) -> None:
    workspace = create_workspace(user=owner, name="Short-lived").workspace
    number = workspace.pk
    workspace.delete()
    owner.delete()
    entry = latest("workspace.made")
    assert (entry.workspace_id, entry.object_name, entry.username) == (number, "Short-lived", "owner")


def test_members_coming_changing_and_going_are_written_down(workspace: Workspace, owner: User) -> None:
    newcomer = make_user("newcomer")
    member = add_member(workspace=workspace, username="newcomer", role=Role.VIEWER)
    change_role(member=member, role=Role.OWNER)
    remove_member(member=Membership.objects.get(pk=member.pk))
    entries = AuditEntry.objects.filter(action__startswith="member.").order_by("pk")
    told = [(entry.action, entry.object_id, entry.changes) for entry in entries]
    who = str(newcomer.pk)
    assert told == [
        ("member.added", who, {"role": "viewer"}),
        ("member.changed", who, {"role": ["viewer", "owner"]}),
        ("member.removed", who, {"role": "owner"}),
    ]


def test_what_changes_nothing_is_not_written_down(workspace: Workspace, owner: User, client_for: ClientFor) -> None:
    client_for(owner).patch(f"/workspaces/{workspace.pk}", {"name": workspace.name})
    assert not AuditEntry.objects.filter(action="workspace.renamed").exists()


def test_signing_in_and_failing_to_is_written_down(owner: User) -> None:
    browser = Client()
    form = {"username": "owner", "password": "wrong"}
    browser.post(reverse("admin:login"), form)
    owner.is_staff = True
    owner.save()
    browser.post(reverse("admin:login"), {**form, "password": "correct horse"})
    assert (latest("user.sign_in_failed").object_id, latest("user.sign_in_failed").via) == (str(owner.pk), Via.ADMIN)
    assert latest("user.signed_in").user == owner


def test_a_name_that_nobody_has_is_not_repeated(db: None) -> None:
    answer = APIClient().post("/auth/token", {"username": "my secret password", "password": "x"})
    assert answer.status_code == 401
    entry = latest("user.sign_in_failed")
    assert (entry.object_name, entry.via, entry.user) == ("unknown name", Via.API, None)


def test_guessing_fills_no_table(owner: User) -> None:
    browser = Client()
    for _ in range(FAILURES_A_MINUTE + 3):
        browser.post(reverse("admin:login"), {"username": "owner", "password": "wrong"})
    assert AuditEntry.objects.filter(action="user.sign_in_failed").count() == FAILURES_A_MINUTE


def test_a_token_made_and_revoked_is_written_down(owner: User) -> None:
    made = APIClient().post("/auth/token", {"username": "owner", "password": "correct horse", "name": "canvas"}).json()
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {made['token']}")
    client.delete(f"/auth/tokens/{made['id']}")
    for action in ("token.made", "token.revoked"):
        entry = latest(action)
        assert (entry.user, entry.object_id, entry.object_name, entry.via) == (owner, made["id"], "canvas", Via.API)


# --- GET /workspaces/{id}/audit ---------------------------------------------------------------------


@pytest.fixture
def entries(workspace: Workspace, owner: User) -> list[AuditEntry]:
    for number in range(5):
        record(action="node.made", about=make_node(workspace=workspace, title=f"n{number}"), workspace=workspace)
    record(action="campaign.paused", about=workspace, workspace=workspace, by=owner)
    return list(AuditEntry.objects.filter(workspace=workspace).order_by("-pk"))


def read(client: APIClient, workspace: Workspace, **query: Any) -> dict[str, Any]:
    answer = client.get(f"/workspaces/{workspace.pk}/audit", query)
    assert answer.status_code == 200, answer.json()
    found: dict[str, Any] = answer.json()
    return found


def test_an_owner_reads_the_trail_page_by_page(
    owner: User, workspace: Workspace, entries: list[AuditEntry], client_for: ClientFor
) -> None:
    client = client_for(owner)
    first = read(client, workspace, limit=4)
    rest = read(client, workspace, limit=4, before_id=first["entries"][-1]["id"])
    assert [each["id"] for each in first["entries"] + rest["entries"]] == [entry.pk for entry in entries]
    assert (first["has_more"], rest["has_more"], first["total"]) == (True, False, 6)


def test_an_entry_is_shown_with_who_and_what(
    owner: User, workspace: Workspace, entries: list[AuditEntry], client_for: ClientFor
) -> None:
    [entry] = read(client_for(owner), workspace, action="campaign.paused")["entries"]
    assert entry["user"] == {"user_id": owner.pk, "username": "owner"}
    assert (entry["action"], entry["via"], entry["token"]) == ("campaign.paused", "system", None)
    assert entry["object"] == {"kind": "campaign", "id": str(workspace.pk), "name": "Acme"}


@pytest.mark.parametrize(
    ("query", "count"),
    [({"action": "node"}, 5), ({"action": "campaign"}, 1), ({"via": "api"}, 0), ({"via": "system"}, 6)],
)
def test_the_trail_is_filtered(
    owner: User,
    workspace: Workspace,
    entries: list[AuditEntry],
    client_for: ClientFor,
    query: dict[str, str],
    count: int,
) -> None:
    assert len(read(client_for(owner), workspace, **query)["entries"]) == count


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "before_id=-1", "via=x", "user_id=x", f"before_id={'9' * 30}"])
def test_a_bad_query_is_refused(owner: User, workspace: Workspace, client_for: ClientFor, query: str) -> None:
    assert client_for(owner).get(f"/workspaces/{workspace.pk}/audit?{query}").status_code == 422


def test_nothing_of_another_workspace_is_in_the_trail(
    stranger: User, other_workspace: Workspace, entries: list[AuditEntry], client_for: ClientFor
) -> None:
    assert read(client_for(stranger), other_workspace)["entries"] == []
