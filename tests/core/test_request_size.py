"""A body larger than the limit is refused with a sentence, whichever view it was meant for, and nothing is done."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from aispinner.core.models import Workspace
from integrations.models import Account, WebhookEndpoint

LIMIT = 1024 * 1024


@pytest.fixture(autouse=True)
def one_megabyte(settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = LIMIT


def body_of(size: int) -> str:
    """A good body for POST /workspaces, of `size` bytes."""
    body = json.dumps({"name": "Acme"})
    return body + " " * (size - len(body))


def test_a_body_at_the_limit_is_read_and_one_above_it_is_not(
    owner: User, client_for: Callable[[User], APIClient]
) -> None:
    client = client_for(owner)
    for size, status in ((LIMIT, 201), (LIMIT + 1, 413)):
        response = client.generic("POST", "/workspaces", body_of(size), content_type="application/json")
        assert response.status_code == status
    assert response.json() == {"detail": "The body is larger than 1 MB. Send it in parts."}
    assert Workspace.objects.count() == 1


def test_who_may_not_call_is_told_that_first(db: None) -> None:
    response = Client().generic("POST", "/workspaces", body_of(LIMIT + 1), content_type="application/json")
    assert response.status_code == 401


def test_a_webhook_above_the_limit_is_refused_too(db: None) -> None:
    endpoint = WebhookEndpoint.objects.create(account=Account.objects.create(external_id="one"), secret="wsec_1")
    address = f"/webhooks/elevenlabs/{endpoint.public_id}"
    response = Client().generic("POST", address, body_of(LIMIT + 1), content_type="application/json")
    assert response.status_code == 413
    assert response.json()["detail"].endswith("Send it in parts.")
