"""Keys, phone providers and accounts: what the forms take, keep and refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from aispinner.core.models import AuditEntry, NodeType, Workspace
from integrations.models import Account, ElevenLabsKey, PhoneProvider
from telephony.models import Chunk, Run, RunStatus
from tests.admin.conftest import PLANTED, World
from tests.factories import make_key, make_node
from tests.integrations.conftest import Sim, sim, simulator

pytestmark = pytest.mark.django_db
__all__ = ["sim", "simulator"]  # fixtures
BrowserOf = Callable[[User], Client]
KEY_ADD = "admin:integrations_elevenlabskey_add"


def said(response: Any) -> str:
    return " ".join(map(str, get_messages(response.wsgi_request)))


def test_a_key_is_checked_at_elevenlabs_and_never_shown_again(
    sim: Sim, owner: User, workspace: Workspace, browser_of: BrowserOf
) -> None:
    browser = browser_of(owner)
    data = {"workspace": workspace.pk, "title": "Mine", "key": "sk_live_12345678"}
    response = browser.post(reverse(KEY_ADD), data)
    assert response.status_code == 302
    key = ElevenLabsKey.objects.get()
    assert (key.title, key.last4, key.key) == ("Mine", "5678", "sk_live_12345678")
    followed = browser.get(response.headers["Location"]).content.decode()
    assert "sk_live" not in followed


def test_check_now_asks_elevenlabs_and_tells_what_it_says(
    sim: Sim, owner: User, workspace: Workspace, browser_of: BrowserOf
) -> None:
    browser = browser_of(owner)
    browser.post(reverse(KEY_ADD), {"workspace": workspace.pk, "title": "Mine", "key": "sk_live_12345678"})
    key = ElevenLabsKey.objects.get()
    ElevenLabsKey.objects.update(status="refused", checked_at=None)
    page = browser.get(reverse("admin:integrations_elevenlabskey_change", args=(key.pk,))).content.decode()
    check = reverse("admin:integrations_elevenlabskey_check", args=(key.pk,))
    assert f'"{check}"' in page
    assert "works" in said(browser.post(check))
    key.refresh_from_db()
    assert (key.status, key.checked_at is not None) == ("working", True)
    assert AuditEntry.objects.filter(action="key.checked", user=owner).count() == 1
    ElevenLabsKey.objects.filter(pk=key.pk).update(key="sk_invalid_1")
    listed = {"action": "check_selected", "_selected_action": [str(key.pk)]}
    assert "refuses this key" in said(browser.post(reverse("admin:integrations_elevenlabskey_changelist"), listed))
    key.refresh_from_db()
    assert key.status == "refused"


def test_a_refused_key_is_not_kept_nor_given_back(
    sim: Sim, owner: User, workspace: Workspace, browser_of: BrowserOf
) -> None:
    data = {"workspace": workspace.pk, "title": "Mine", "key": "sk_invalid_1"}
    response = browser_of(owner).post(reverse(KEY_ADD), data)
    text = response.content.decode()
    assert "ElevenLabs refuses this key" in text
    assert "sk_invalid_1" not in text
    assert not ElevenLabsKey.objects.exists()


def test_a_key_goes_into_no_workspace_of_somebody_else(
    sim: Sim, owner: User, workspace: Workspace, other_workspace: Workspace, browser_of: BrowserOf
) -> None:
    data = {"workspace": other_workspace.pk, "title": "Mine", "key": "sk_live_12345678"}
    assert browser_of(owner).post(reverse(KEY_ADD), data).status_code == 200
    assert not ElevenLabsKey.objects.exists()


def test_the_title_of_a_key_is_all_that_changes(browser: Client, world: World) -> None:
    pk = world.ids["integrations_elevenlabskey"]
    change = reverse("admin:integrations_elevenlabskey_change", args=(pk,))
    browser.post(change, {"title": "Another", "key": "sk_other", "last4": "zzzz", "status": "refused"})
    key = ElevenLabsKey.objects.get(pk=pk)
    assert (key.title, key.key, key.last4, key.status) == ("Another", f"sk_{PLANTED}_9a2c", "9a2c", "working")


@pytest.mark.parametrize("status", [RunStatus.RUNNING, RunStatus.PAUSED])
def test_a_key_of_an_unfinished_campaign_is_not_deleted(browser: Client, world: World, status: RunStatus) -> None:
    Run.objects.update(status=status)
    delete = reverse("admin:integrations_elevenlabskey_delete", args=(world.ids["integrations_elevenlabskey"],))
    response = browser.post(delete, {"post": "yes"})
    assert "have not ended use this key" in said(response)
    assert ElevenLabsKey.objects.exists()


def test_a_key_that_nothing_needs_is_deleted_and_its_campaigns_stay(browser: Client, world: World) -> None:
    Run.objects.update(status=RunStatus.COMPLETED, finished_at=timezone.now())
    Chunk.objects.update(finished_at=timezone.now())
    delete = reverse("admin:integrations_elevenlabskey_delete", args=(world.ids["integrations_elevenlabskey"],))
    assert "9a2c" in browser.get(delete).content.decode()
    browser.post(delete, {"post": "yes"})
    assert not ElevenLabsKey.objects.exists()
    assert Run.objects.filter(pk=world.run.pk, api_key=None).exists()


def provider_page(world: World) -> str:
    return reverse("admin:integrations_phoneprovider_change", args=(world.ids["integrations_phoneprovider"],))


def test_credentials_left_empty_stay_as_they_are(browser: Client, world: World) -> None:
    response = browser.post(provider_page(world), {"provider": "twilio", "twilio_phone": "+15550100177"})
    assert response.status_code == 302
    row = PhoneProvider.objects.get()
    assert (row.twilio_phone, row.twilio_sid, row.twilio_token) == ("+15550100177", f"AC{PLANTED}", PLANTED)


def test_credentials_that_are_typed_replace_the_stored_ones_and_are_not_given_back(
    browser: Client, world: World
) -> None:
    data = {"provider": "twilio", "twilio_phone": "+15550100000", "twilio_sid": "ACnew", "twilio_token": "fresh-token"}
    browser.post(provider_page(world), data)
    row = PhoneProvider.objects.get()
    assert (row.twilio_sid, row.twilio_token) == ("ACnew", "fresh-token")
    assert "fresh-token" not in browser.get(provider_page(world)).content.decode()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"provider": "twilio", "twilio_phone": "12"}, "number"),
        ({"provider": "twilio", "twilio_phone": "+15550100000", "twilio_sid": "XX"}, "Starts with AC"),
        ({"provider": "sip", "sip_phone": "+15550100000"}, "needed"),
        ({"provider": "pigeon"}, "valid choice"),
    ],
)
def test_a_provider_that_could_not_place_calls_is_refused_beside_its_field(
    browser: Client, world: World, data: dict[str, str], sentence: str
) -> None:
    before = PhoneProvider.objects.values().get()
    response = browser.post(provider_page(world), {**data, "twilio_token": "half-typed"})
    text = response.content.decode()
    assert response.status_code == 200
    assert sentence in text
    assert "half-typed" not in text
    assert PhoneProvider.objects.values().get() == before


def test_a_new_provider_is_offered_only_phone_number_nodes_without_one(
    editor: User, workspace: Workspace, other_workspace: Workspace, world: World, browser_of: BrowserOf
) -> None:
    free = make_node(workspace=workspace, type=NodeType.PHONE_NUMBER, title="Free number")
    make_node(workspace=workspace, type=NodeType.PBX, title="A switch")
    make_node(workspace=other_workspace, type=NodeType.PHONE_NUMBER, title="Not ours")
    browser = browser_of(editor)
    response = browser.get(reverse("admin:integrations_phoneprovider_add"))
    assert list(response.context["adminform"].form.fields["node"].queryset) == [free]
    data = {
        "node": free.pk,
        "provider": "sip",
        "sip_phone": "+15550100188",
        "sip_server": "sip.test",
        "sip_password": "pw",
    }
    assert browser.post(reverse("admin:integrations_phoneprovider_add"), data).status_code == 302
    assert PhoneProvider.objects.get(node=free).sip_password == "pw"


@pytest.mark.parametrize(("typed", "kept"), [("42", 42), ("0", 20), ("-3", 20), ("many", 20)])
def test_the_lines_of_an_account_are_a_number_of_at_least_one(
    browser: Client, world: World, typed: str, kept: int
) -> None:
    pk = world.ids["integrations_account"]
    browser.post(reverse("admin:integrations_account_change", args=(pk,)), {"concurrency_limit": typed})
    assert Account.objects.get(pk=pk).concurrency_limit == kept


def test_changing_the_lines_leaves_what_the_dialer_wrote_meanwhile(browser: Client, world: World) -> None:
    pk = world.ids["integrations_account"]
    with CaptureQueriesContext(connection) as queries:
        browser.post(reverse("admin:integrations_account_change", args=(pk,)), {"concurrency_limit": "42"})
    [update] = [query["sql"] for query in queries if query["sql"].startswith('UPDATE "integrations_account"')]
    assert update.count(" = ") == 2, "the limit, and the row's id"


def test_an_account_is_changed_by_an_owner_of_one_of_its_keys_alone(
    editor: User, owner: User, stranger: User, world: World, other_workspace: Workspace, browser_of: BrowserOf
) -> None:
    pk = world.ids["integrations_account"]
    change = reverse("admin:integrations_account_change", args=(pk,))
    assert browser_of(editor).post(change, {"concurrency_limit": "9"}).status_code == 403
    assert browser_of(stranger).post(change, {"concurrency_limit": "9"}).status_code in {302, 403}
    assert Account.objects.get(pk=pk).concurrency_limit == 20
    make_key(workspace=other_workspace, account=Account.objects.get(pk=pk))
    browser_of(stranger).post(change, {"concurrency_limit": "9"})
    assert Account.objects.get(pk=pk).concurrency_limit == 9
