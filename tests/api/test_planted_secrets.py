"""Secrets planted where they are kept, and looked for in all that leaves: answers, errors, admin, logs, rows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from integrations.models import PhoneProvider, WebhookReceipt
from telephony.models import Run, RunStatus
from tests.api.lasting import *  # noqa: F403 - its fixtures
from tests.api.routes import CAST, ROWS
from tests.api.world import World
from tests.bells import Bells
from tests.core.test_logs import Log, log
from tests.integrations.conftest import Sim, sim, simulator, wire
from tests.integrations.wire import Reply, Wire

pytestmark = pytest.mark.django_db
__all__ = ["log", "sim", "simulator", "wire"]
ClientFor = Callable[[User], APIClient]

ENCRYPTED = "gAAAA"  # how everything encrypted by Fernet begins
SENT = "SENTsecret0123456789"
PROVIDER = "/workspaces/{workspace_id}/nodes/phone_abc/phone-provider"
KEYS = "/integrations/elevenlabs/keys"
ARI = {"id": "x", "kind": "ari", "url": f"http://ari:{SENT}@pbx.test:8088", "password": SENT, "calls_per_second": "x"}


def whole(response: Any) -> str:
    """Headers and body."""
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return f"{response.headers} {body.decode()}"


def found_in(text: str, world: World) -> list[str]:
    """The secrets that stand in a text."""
    return [secret for secret in [*world.secrets, ENCRYPTED, SENT] if secret in text]


@pytest.mark.parametrize("person", CAST)
def test_no_answer_and_no_line_of_the_log_holds_a_secret(
    person: str, world: World, request: pytest.FixtureRequest, client_for: ClientFor, sim: Sim, log: Log
) -> None:
    client = APIClient() if person == "nobody" else client_for(request.getfixturevalue(person))
    for row in ROWS:
        with transaction.atomic():
            assert found_in(whole(row.send(client, world.ids)), world) == [], row
            transaction.set_rollback(True)
    assert len(log.lines) >= len(ROWS)
    assert found_in(log.text, world) == []
    assert "5550100" not in log.text


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/auth/token", {"username": "owner", "password": SENT}),
        ("POST", "/auth/token", {"username": "owner", "password": SENT, "expiry": SENT}),
        ("POST", "/auth/token", {"username": [SENT], "password": [SENT]}),
        ("POST", KEYS, {"key": SENT}),
        ("POST", KEYS, {"key": f"sk_invalid_{SENT}"}),
        ("POST", KEYS, {"key": [f"sk_{SENT}"]}),
        ("POST", KEYS, {"key": f"sk_{SENT}", "title": 5}),
        ("POST", KEYS, {"key": f"sk_{SENT}", "workspace_id": "x"}),
        ("PUT", PROVIDER, {"provider": SENT}),
        ("PUT", PROVIDER, {"provider": "twilio", "twilio_sid": SENT, "twilio_token": SENT}),
        ("PUT", PROVIDER, {"provider": "twilio", "twilio_token": f"{SENT}\n"}),
        ("PUT", PROVIDER, {"provider": "twilio", "twilio_token": [SENT]}),
        ("PUT", PROVIDER, {"provider": "twilio", "sip_password": SENT}),
        ("PUT", PROVIDER, {"provider": "sip", "sip_password": SENT, "sip_server": f"u:{SENT}@h", "sip_port": SENT}),
        ("PUT", "/telephony/settings", {"settings_json": {"providers": [ARI]}}),
        ("PUT", "/telephony/settings", {"settings_json": {"sip_password": {"a": SENT}}}),
        ("POST", "/telephony/dialer/start", {"node_id": "pbx_abc123", "numbers": [SENT]}),
        ("POST", "/telephony/dialer/start", {"node_id": "pbx_abc123", "recipients": [{"number": SENT}]}),
    ],
)
def test_no_refusal_repeats_the_secret_that_was_sent(
    world: World, owner: User, client_for: ClientFor, sim: Sim, log: Log, method: str, path: str, body: Any
) -> None:
    whole_text = json.dumps(body)
    for text in (whole_text, whole_text[:-1]):
        response = client_for(owner).generic(method, path.format(**world.ids), text, content_type="application/json")
        assert 400 <= response.status_code < 500
        assert found_in(whole(response) + log.text, world) == []


@pytest.mark.parametrize("header", [f"Bearer {SENT}", f"Token {SENT}", f"Bearer {SENT} {SENT}", f"Basic {SENT}"])
def test_no_refusal_repeats_a_token(world: World, header: str, log: Log) -> None:
    client = APIClient(headers={"Authorization": header, "ElevenLabs-Signature": f"t=1,v0={SENT}"})
    for path in ("/workspaces", f"/telephony/calls/{world.call.call_id}/audio?token={SENT}&password={SENT}"):
        response = client.get(path)
        assert response.status_code == 401
        assert found_in(whole(response), world) == []
    refused = client.post(f"/webhooks/elevenlabs/{world.endpoint.public_id}", {"type": SENT})
    assert found_in(whole(refused), world) == []
    assert found_in(log.text, world) == []


ASKING = [row for row in ROWS if row.route.startswith(("integrations/", "agents/")) or "import" in row.route]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 500, 200])
def test_a_provider_that_repeats_secrets_is_not_repeated(
    world: World, owner: User, client_for: ClientFor, wire: Wire, log: Log, status: int
) -> None:
    said = " ".join(world.secrets[:6]) + SENT
    wire.answers(
        Reply(status=status, body={"detail": {"status": said, "message": said}, "message": said, "error": said})
    )
    client = client_for(owner)
    for row in ASKING:
        with transaction.atomic():
            assert found_in(whole(row.send(client, world.ids)), world) == [], row
            transaction.set_rollback(True)
    assert wire.asked
    assert found_in(log.text, world) == []


def test_a_crash_says_nothing_of_what_was_at_hand(
    world: World, owner: User, client_for: ClientFor, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any) -> None:
        raise RuntimeError(" ".join(world.secrets))

    monkeypatch.setattr("aispinner.core.api.workspaces.show", crash)
    client = client_for(owner)
    client.raise_request_exception = False
    response = client.get("/workspaces")
    assert response.status_code == 500
    assert found_in(whole(response) + log.text, world) == []


def admin_pages() -> Iterator[str]:
    """The list, the empty form and the pages of a row, of everything that the admin shows."""
    yield reverse("admin:index")
    yield reverse("admin:telephony_dashboard_live")
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        yield from (reverse(f"{name}_changelist"), reverse(f"{name}_add"))
        for row in model._default_manager.order_by("pk")[: 2 if model is PhoneProvider else 1]:  # one for each carrier
            yield from (reverse(f"{name}_{page}", args=[row.pk]) for page in ("change", "delete"))


def test_no_page_of_the_admin_shows_a_secret(world: World, log: Log) -> None:
    browser = Client()
    browser.force_login(User.objects.create_superuser("root", password="correct horse"))
    WebhookReceipt.objects.create(endpoint=world.endpoint, event_key="1", kind="x", body=" ".join(world.secrets))
    opened = 0
    for address in admin_pages():
        response = browser.get(address)
        opened += response.status_code == 200
        assert found_in(whole(response), world) == [], address
    assert opened > 30
    assert found_in(log.text, world) == []


def test_a_campaign_writes_no_secret_and_no_number_down(
    world: World, owner: User, client_for: ClientFor, sim: Sim, log: Log, bells: Bells
) -> None:
    Run.objects.update(status=RunStatus.COMPLETED)
    [start] = [row for row in ROWS if row.route.endswith("dialer/start")]
    assert start.send(client_for(owner), world.ids).status_code == 200
    assert bells.answer()
    assert found_in(log.text, world) == []
    assert "5550100" not in log.text


def test_no_secret_is_stored_in_clear(world: World) -> None:
    in_clear = {world.secrets[-3], world.secrets[-2]}  # digests are what is stored of tokens and passwords
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        stored = ""
        for table in tables:
            cursor.execute(f"SELECT string_agg(t::text, ' ') FROM {connection.ops.quote_name(table)} t")
            stored += cursor.fetchone()[0] or ""
    stored += b"".join(bytes.fromhex(each) for each in re.findall(r'"\\\\x([0-9a-f]+)"', stored)).decode("latin-1")
    assert world.mark in stored
    assert set(found_in(stored, world)) == {ENCRYPTED, *in_clear}
