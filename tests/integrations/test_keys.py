"""Keys of ElevenLabs accounts: added, listed, chosen, and how results will reach us."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connection
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from aispinner.core.models import Workspace
from integrations.models import Account, ElevenLabsKey, KeyStatus, WebhookEndpoint
from integrations.services import add_key, delete_key, mark_key_refused, newest_working_key
from tests.factories import make_account, make_key
from tests.integrations.conftest import Sim
from tests.integrations.wire import closed_port

Clients = Callable[[User], APIClient]
KEYS = "/integrations/elevenlabs/keys"
OURS = "http://127.0.0.1:8000"


def test_a_key_is_checked_kept_encrypted_and_shown_by_its_last_four_characters(
    sim: Sim, owner: User, workspace: Workspace, client_for: Clients
) -> None:
    response = client_for(owner).post(KEYS, {"title": "My ElevenLabs", "key": "sk_live_12345678"}, format="json")
    assert response.status_code == 200
    shown = response.json()
    assert (shown["title"], shown["last4"], shown["status"]) == ("My ElevenLabs", "5678", "working")
    assert shown["webhook"]["status"] == "no_public_url"
    assert "sk_live" not in response.content.decode()
    listed = client_for(owner).get(KEYS).json()
    assert [key["id"] for key in listed["keys"]] == [shown["id"]]
    assert listed["total"] == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT key FROM integrations_elevenlabskey")
        (stored,) = cursor.fetchone()
    assert b"sk_live" not in bytes(stored)


def test_an_account_gets_the_lines_of_its_tier_and_keeps_what_an_operator_set(sim: Sim, workspace: Workspace) -> None:
    sim.control("accounts", {"default": {"tier": "pro"}})
    account = add_key(workspace=workspace, title="", key="sk_one").key.account
    assert (account.tier, account.concurrency_limit) == ("pro", 20)
    Account.objects.filter(pk=account.pk).update(concurrency_limit=7)
    again = add_key(workspace=workspace, title="", key="sk_two").key.account
    assert (again.pk, again.concurrency_limit) == (account.pk, 7)


def test_an_unknown_tier_gets_four_lines(sim: Sim, workspace: Workspace) -> None:
    sim.control("accounts", {"default": {"tier": "enterprise"}})
    assert add_key(workspace=workspace, title="", key="sk_one").key.account.concurrency_limit == 4


def test_the_same_key_again_is_checked_again_and_stays_one(sim: Sim, workspace: Workspace) -> None:
    first = add_key(workspace=workspace, title="First", key="sk_one").key
    mark_key_refused(key_id=first.pk)
    again = add_key(workspace=workspace, title="", key=" sk_one\n").key
    assert (again.pk, again.title, again.status) == (first.pk, "First", KeyStatus.WORKING)
    assert ElevenLabsKey.objects.count() == 1


@pytest.mark.parametrize("key", ["", "xi_123", "sk_\u00e9", "sk_a b\nc", "sk_" + "x" * 500, 7, None])
def test_what_cannot_be_a_key_is_refused_without_asking(
    owner: User, workspace: Workspace, client_for: Clients, key: object
) -> None:
    response = client_for(owner).post(KEYS, {"title": "x", "key": key}, format="json")
    assert response.status_code == 422
    assert "key" in response.json()["errors"]
    assert not ElevenLabsKey.objects.exists()


def test_a_key_that_elevenlabs_refuses_is_not_kept(
    sim: Sim, owner: User, workspace: Workspace, client_for: Clients
) -> None:
    response = client_for(owner).post(KEYS, {"title": "x", "key": "sk_invalid_1"}, format="json")
    assert response.status_code == 422
    assert not ElevenLabsKey.objects.exists()


def test_a_key_without_the_permission_for_agents_is_not_kept(
    sim: Sim, owner: User, workspace: Workspace, client_for: Clients
) -> None:
    sim.fault("missing_permissions", endpoint="agents.list")
    response = client_for(owner).post(KEYS, {"title": "x", "key": "sk_narrow"}, format="json")
    assert response.status_code == 422
    assert "permission" in response.json()["detail"]


def test_a_key_that_may_not_read_the_user_is_kept(sim: Sim, workspace: Workspace) -> None:
    sim.fault("missing_permissions", endpoint="user.get")
    key = add_key(workspace=workspace, title="", key="sk_narrow").key
    assert key.account.external_id.startswith("key_")


def test_a_key_cannot_be_added_while_elevenlabs_is_away(
    settings: Settings, owner: User, workspace: Workspace, client_for: Clients
) -> None:
    with closed_port() as url:
        settings.ELEVENLABS_BASE_URL = url
        response = client_for(owner).post(KEYS, {"title": "x", "key": "sk_one"}, format="json")
    assert response.status_code == 502
    assert not ElevenLabsKey.objects.exists()


def test_only_owners_add_keys_and_strangers_see_none(
    editor: User, viewer: User, stranger: User, workspace: Workspace, other_workspace: Workspace, client_for: Clients
) -> None:
    key = make_key(workspace=workspace)
    body = {"title": "x", "key": "sk_one", "workspace_id": workspace.pk}
    assert client_for(editor).post(KEYS, body, format="json").status_code == 403
    assert client_for(stranger).post(KEYS, body, format="json").status_code == 404
    assert [shown["id"] for shown in client_for(viewer).get(KEYS).json()["keys"]] == [key.pk]
    assert client_for(stranger).get(KEYS).json() == {"keys": [], "total": 0}
    assert client_for(stranger).get(f"{KEYS}?workspace_id={workspace.pk}").status_code == 404
    assert APIClient().get(KEYS).status_code == 401


def test_the_newest_working_key_starts_new_work(workspace: Workspace) -> None:
    account, other = make_account(), make_account()
    old = make_key(workspace=workspace, account=account)
    elsewhere = make_key(workspace=workspace, account=other)
    new = make_key(workspace=workspace, account=account)
    assert newest_working_key(workspace=workspace) == new
    assert newest_working_key(workspace=workspace, account=other) == elsewhere
    mark_key_refused(key_id=new.pk)
    assert newest_working_key(workspace=workspace, account=account) == old
    delete_key(key=old)
    assert newest_working_key(workspace=workspace, account=account) is None


@pytest.fixture
def public(settings: Settings, sim: Sim) -> Sim:
    """A server that ElevenLabs can reach."""
    settings.PUBLIC_URL = OURS
    return sim


def attached(sim: Sim) -> str | None:
    found: str | None = sim.get("/v1/convai/settings")["webhooks"]["post_call_webhook_id"]
    return found


def webhooks(sim: Sim) -> list[str]:
    return [webhook["webhook_url"] for webhook in sim.get("/v1/workspace/webhooks")["webhooks"]]


def test_our_webhook_is_registered_where_none_is_set(public: Sim, workspace: Workspace) -> None:
    added = add_key(workspace=workspace, title="", key="sk_one")
    endpoint = WebhookEndpoint.objects.get(account=added.key.account)
    assert added.webhook.state == "registered"
    assert attached(public) == endpoint.external_id
    assert webhooks(public) == [f"{OURS}/webhooks/elevenlabs/{endpoint.public_id}"]
    assert endpoint.secret
    events = public.get("/v1/convai/settings")["webhooks"]["events"]
    assert sorted(events) == ["call_initiation_failure", "transcript"]


def test_a_second_key_of_the_account_finds_the_webhook_registered(public: Sim, workspace: Workspace) -> None:
    add_key(workspace=workspace, title="", key="sk_one")
    before = WebhookEndpoint.objects.get()
    assert add_key(workspace=workspace, title="", key="sk_two").webhook.state == "registered"
    after = WebhookEndpoint.objects.get()
    assert (after.external_id, after.secret) == (before.external_id, before.secret)
    assert len(webhooks(public)) == 1


def test_somebody_elses_webhook_is_never_replaced(
    public: Sim, owner: User, workspace: Workspace, client_for: Clients
) -> None:
    from integrations.elevenlabs.client import ElevenLabsClient

    client = ElevenLabsClient(api_key="sk_test_0001")
    theirs = client.create_webhook(name="CRM", url="https://crm.example.org/hook")
    client.patch_convai_settings({"webhooks": {"post_call_webhook_id": theirs.id, "events": ["transcript"]}})
    response = client_for(owner).post(KEYS, {"title": "x", "key": "sk_one"}, format="json")
    assert response.json()["webhook"]["status"] == "another"
    assert "polled" in response.json()["webhook"]["detail"]
    assert attached(public) == theirs.id


def test_a_webhook_whose_secret_was_lost_with_the_answer_is_made_anew(public: Sim, workspace: Workspace) -> None:
    public.fault("internal_error", endpoint="webhooks.create", when="after", times=1)
    assert add_key(workspace=workspace, title="", key="sk_one").webhook.state == "failed"
    assert len(webhooks(public)) == 1
    assert add_key(workspace=workspace, title="", key="sk_one").webhook.state == "registered"
    assert len(webhooks(public)) == 1
    assert attached(public) == WebhookEndpoint.objects.get().external_id


def test_a_server_that_moved_registers_its_new_address(public: Sim, workspace: Workspace, settings: Settings) -> None:
    add_key(workspace=workspace, title="", key="sk_one")
    settings.PUBLIC_URL = "http://127.0.0.1:8001"
    assert add_key(workspace=workspace, title="", key="sk_one").webhook.state == "registered"
    assert [url.split("/webhooks")[0] for url in webhooks(public)] == ["http://127.0.0.1:8001"]
    assert attached(public) == WebhookEndpoint.objects.get().external_id


def test_a_key_without_the_permission_for_webhooks_is_kept_and_says_that_calls_are_polled(
    public: Sim, workspace: Workspace
) -> None:
    public.fault("missing_permissions", endpoint="webhooks.*")
    added = add_key(workspace=workspace, title="", key="sk_one")
    assert added.key.pk
    assert added.webhook.state == "failed"
    assert "polled" in added.webhook.detail
