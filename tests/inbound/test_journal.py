"""A call that we did not start, as clients of the published API see it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings
from rest_framework.test import APIClient

from aispinner.core.models import Workspace
from tests.dialer.provider import Provider
from tests.inbound.house import CALLER, House, move_in

pytestmark = pytest.mark.django_db
ClientFor = Callable[[User], APIClient]


@pytest.fixture
def house(provider: Provider, workspace: Workspace) -> House:
    return move_in(provider, workspace=workspace)


def journal(client: APIClient, path: str = "", **query: Any) -> dict[str, Any]:
    answer = client.get(f"/telephony/journal{path}", query)
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    return body


def test_it_is_found_under_each_block_it_went_through(house: House, viewer: User, client_for: ClientFor) -> None:
    client = client_for(viewer)
    before = journal(client)["max_id"]
    conversation_id = house.rings_and_talks()
    house.look()
    for path in ("", *(f"/{node.node_id}" for node in (house.pbx, house.phone, house.agent))):
        page = journal(client, path)
        [call] = page["calls"]
        assert (page["total"], page["total_duration_sec"], page["campaigns"]) == (1, 30, [])
        assert (call["conversation_id"], call["direction"], call["subscriber_phone"]) == (
            conversation_id,
            "inbound",
            CALLER,
        )
        assert (call["parent_call_id"], call["status"], call["has_audio"]) == (None, "done", True)
    assert [call["conversation_id"] for call in journal(client, since_id=before or 0)["calls"]] == [conversation_id]


def test_it_is_nothing_to_a_stranger(
    house: House, other_workspace: Workspace, stranger: User, client_for: ClientFor
) -> None:
    house.provider.key(other_workspace)  # of the same account
    house.rings_and_talks()
    house.look()
    assert journal(client_for(stranger))["calls"] == []


def test_its_recording_and_its_events_are_there(
    house: House, viewer: User, client_for: ClientFor, settings: Settings, tmp_path: Path
) -> None:
    settings.MEDIA_ROOT = tmp_path
    house.rings_and_talks()
    house.look()
    client = client_for(viewer)
    [call] = journal(client)["calls"]
    events = client.get(f"/telephony/calls/{call['call_id']}/events").json()["events"]
    assert events[0]["data"]["status"] == "done"
    audio = client.get(f"/telephony/calls/{call['call_id']}/audio")
    assert (audio.status_code, audio["Content-Type"]) == (200, "audio/mpeg")
    audio.close()
