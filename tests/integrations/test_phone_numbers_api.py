"""GET /integrations/sip/phone-numbers: the numbers of all accounts, whatever happens to one key."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.models import User
from rest_framework.test import APIClient

from aispinner.core.models import Workspace
from integrations.elevenlabs.client import ElevenLabsClient
from integrations.models import KeyStatus
from integrations.services import mark_key_refused
from tests.factories import make_account, make_key
from tests.integrations.conftest import Sim

Clients = Callable[[User], APIClient]
NUMBERS = "/integrations/sip/phone-numbers"


def test_numbers_of_all_accounts_are_listed_once(
    sim: Sim, viewer: User, workspace: Workspace, client_for: Clients
) -> None:
    account = make_account()
    make_key(workspace=workspace, account=account, key="sk_one")
    newest = make_key(workspace=workspace, account=account, key="sk_two")
    other = make_key(workspace=workspace, key="sk_acct_other_1")
    ElevenLabsClient(api_key="sk_one").create_sip_number(
        phone_number="+15550100177", label="Trunk", address="sip.example.org"
    )
    body = client_for(viewer).get(NUMBERS).json()
    assert body["total"] == len(body["phone_numbers"])
    assert body["errors"] == []
    (trunk,) = [each for each in body["phone_numbers"] if each["phone_number"] == "+15550100177"]
    assert (trunk["provider"], trunk["label"], trunk["key_id"]) == ("sip", "Trunk", newest.pk)
    assert {each["key_id"] for each in body["phone_numbers"]} == {newest.pk, other.pk}


def test_a_bad_key_hides_no_other_and_is_named(
    sim: Sim, viewer: User, workspace: Workspace, client_for: Clients
) -> None:
    make_key(workspace=workspace, key="sk_one")
    bad = make_key(workspace=workspace, key="sk_invalid_1234")
    body = client_for(viewer).get(NUMBERS).json()
    assert body["phone_numbers"]
    assert [(each["key_id"], each["last4"]) for each in body["errors"]] == [(bad.pk, "1234")]
    bad.refresh_from_db()
    assert bad.status == KeyStatus.REFUSED


def test_another_key_of_the_account_stands_in(
    sim: Sim, viewer: User, workspace: Workspace, client_for: Clients
) -> None:
    account = make_account()
    good = make_key(workspace=workspace, account=account, key="sk_one")
    make_key(workspace=workspace, account=account, key="sk_invalid_1")
    assert {each["key_id"] for each in client_for(viewer).get(NUMBERS).json()["phone_numbers"]} == {good.pk}


def test_a_refused_key_that_elevenlabs_takes_again_works_again(
    sim: Sim, viewer: User, workspace: Workspace, client_for: Clients
) -> None:
    key = make_key(workspace=workspace, key="sk_one")
    mark_key_refused(key_id=key.pk)
    assert client_for(viewer).get(NUMBERS).json()["errors"] == []
    key.refresh_from_db()
    assert key.status == KeyStatus.WORKING


def test_where_no_account_answers_it_is_502(sim: Sim, viewer: User, workspace: Workspace, client_for: Clients) -> None:
    make_key(workspace=workspace, key="sk_one")
    sim.fault("internal_error")
    response = client_for(viewer).get(NUMBERS)
    assert response.status_code == 502
    assert "internal_error" not in response.content.decode()


def test_without_keys_there_are_no_numbers(viewer: User, workspace: Workspace, client_for: Clients) -> None:
    assert client_for(viewer).get(NUMBERS).json() == {"phone_numbers": [], "total": 0, "errors": []}
