"""Two workspaces that are alike in everything but their marks: nothing of one is reached from the other, whatever is
asked for: by ids, filters, cursors, bodies, idempotency keys, tokens or media addresses."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import Model, QuerySet
from django.test import override_settings
from rest_framework.test import APIClient

from agents.models import Agent
from aispinner.core.auth import issue_token
from aispinner.core.media import sign_media
from aispinner.core.models import ApiToken, Membership, Node, Role, Workspace
from integrations.models import ElevenLabsKey, PhoneProvider, WebhookReceipt
from telephony.models import Call, CallEvent, Chunk, Recipient, Run, RunProgress, RunStatus, TelephonySettings
from tests.api.lasting import *  # noqa: F403 - its fixtures
from tests.api.routes import ROWS, Row
from tests.api.world import World, make_world
from tests.conftest import Lasting
from tests.factories import make_member, make_user
from tests.integrations.conftest import Sim, sim, simulator
from tests.journal.rows import make_call

pytestmark = pytest.mark.django_db
__all__ = ["sim", "simulator"]
READS = [row for row in ROWS if row.method == "GET" and row.statuses[0] == 401]
WRITES = [row for row in ROWS if row.method not in {"GET", "HEAD"} and row.statuses[0] == 401]


@pytest.fixture
def ours(world: World) -> World:
    return world


@pytest.fixture(scope="module")
def made_alike(made: World, media: Path, lasting: Lasting) -> World:
    """What is made of `theirs` for all tests of the file."""
    with lasting(), override_settings(MEDIA_ROOT=media):
        workspace, member = Workspace.objects.get(name="Elsewhere"), make_user("colleague")
        make_member(workspace=workspace, user=member, role=Role.VIEWER)
        stranger = User.objects.get(username="stranger")
        return make_world(workspace=workspace, owner=stranger, member=member, mark="THEIRS")


@pytest.fixture
def theirs(made_alike: World, db: None) -> World:
    return deepcopy(made_alike)


@pytest.fixture
def spy(stranger: User, client_for: Callable[[User], APIClient]) -> APIClient:
    """Owner of the other workspace."""
    return client_for(stranger)


def text_of(response: Any) -> str:
    """All that an answer says, headers included."""
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return f"{response.headers} {body.decode()}"


def reveals(text: str, world: World) -> list[str]:
    """The marks of a world that stand in a text."""
    return [mark for mark in world.marks if mark in text]


def questions(ours: World, theirs: World) -> list[dict[str, Any]]:
    """Every filter and cursor, with values that lead to our things."""
    ids, call = ours.ids, ours.call
    return [
        {},
        {"workspace_id": ids["workspace_id"]},
        {"workspace_id": theirs.workspace.pk},
        {"workspace_id": theirs.workspace.pk, "node_id": "pbx_abc123"},
        {"node_id": "pbx_abc123"},
        {"parent_call_id": ids["run_id"]},
        {"workspace_id": theirs.workspace.pk, "parent_call_id": ids["run_id"]},
        {"before": ids["run_id"]},
        {"q": ours.mark},
        {"q": f"conv_{ours.mark}"},
        {"status": "done"},
        {"status": "paused"},
        {"type": "ai.pbx"},
        {"date_from": "2000-01-01", "date_to": "2100-01-01"},
        *({name: at} for name in ("since_id", "since_version", "since") for at in (0, call.pk - 1)),
        {"before_id": call.pk + 1},
        {"limit": 1},
        {"token": "", "workspace": ids["workspace_id"], "user_id": ids["user_id"], "id": ids["key_id"]},
    ]


@pytest.mark.parametrize("row", READS, ids=str)
def test_no_address_filter_or_cursor_shows_anything_of_another_workspace(
    row: Row, ours: World, theirs: World, spy: APIClient, sim: Sim
) -> None:
    paths = {row.path(ids) for ids in (ours.ids, theirs.ids, {**theirs.ids, "workspace_id": ours.ids["workspace_id"]})}
    for path in sorted(paths):
        for question in questions(ours, theirs):
            response = spy.get(path, question)
            assert response.status_code < 500
            assert reveals(text_of(response), ours) == [], (path, question)


@pytest.mark.parametrize("row", [row for row in READS if row.statuses[2] == 200 and row.statuses[1] == 404], ids=str)
def test_each_of_these_addresses_shows_it_to_members(
    row: Row, ours: World, viewer: User, sim: Sim, client_for: Callable[[User], APIClient]
) -> None:
    """Or the test above would prove nothing."""
    without_marks = ("/drift", "/members", "/phone-provider", "/phone-numbers", "/list", "/statistics")
    text = text_of(row.send(client_for(viewer), ours.ids))
    assert reveals(text, ours) or row.route.endswith(without_marks)


ROWS_OF: tuple[tuple[type[Model], str], ...] = (
    (Workspace, "pk"),
    *((model, "workspace") for model in (Membership, Node, Agent, ElevenLabsKey, TelephonySettings)),
    *((model, "workspace") for model in (Run, Call, CallEvent)),
    (PhoneProvider, "node__workspace"),
    (Node.connections.through, "from_node__workspace"),
    *((model, "run__workspace") for model in (Recipient, RunProgress, Chunk)),
    (ApiToken, "user__memberships__workspace"),
    (WebhookReceipt, "endpoint__account__keys__workspace"),
)


def fingerprint(world: World) -> dict[str, str]:
    """What all rows of a workspace say."""
    found = {}
    for model, path in ROWS_OF:
        rows: QuerySet[Any] = model._default_manager.filter(**{path: world.workspace.pk}).distinct().order_by("pk")
        found[model.__name__] = hashlib.sha256(repr(list(rows.values())).encode()).hexdigest()
    return found


@pytest.mark.parametrize("row", WRITES, ids=str)
def test_no_request_changes_anything_of_another_workspace(
    row: Row, ours: World, theirs: World, spy: APIClient, sim: Sim
) -> None:
    before = fingerprint(ours)
    mixed = {
        **theirs.ids,
        **{name: ours.ids[name] for name in ("run_id", "call_id", "web_call_id", "key_id", "public_id", "user_id")},
    }
    for ids in (ours.ids, mixed):
        response = row.send(spy, ids)
        assert response.status_code < 500 or (row.route == "webcall/start" and response.status_code == 503)
        assert reveals(text_of(response), ours) == []
    assert fingerprint(ours) == before


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/telephony/dialer/start", {"node_id": "only_ours", "numbers": ["+15550100123"]}),
        (
            "POST",
            "/telephony/dialer/start",
            {"node_id": "pbx_abc123", "numbers": ["+15550100123"], "agent_node_id": "only_ours"},
        ),
        ("POST", "/agents/adopt", {"elevenlabs_agent_id": "agent_xyz", "node_id": "only_ours"}),
        ("GET", "/agents/only_ours/drift", None),
        ("GET", "/telephony/journal/only_ours", None),
        ("GET", "/telephony/runs?node_id=only_ours", None),
        ("PATCH", "/workspaces/{theirs}/nodes/pbx_abc123", {"connections": [{"to": "only_ours"}]}),
        ("PUT", "/workspaces/{theirs}/nodes/phone_abc/phone-provider", {"agent_node_id": "only_ours"}),
        ("PATCH", "/workspaces/{theirs}/members/{member}", {"role": "owner"}),
        ("DELETE", "/workspaces/{theirs}/members/{member}", None),
        ("DELETE", "/integrations/elevenlabs/keys/{key}?workspace_id={theirs}", None),
    ],
)
def test_an_id_that_only_we_have_is_unknown_there(
    ours: World, theirs: World, spy: APIClient, method: str, path: str, body: Any
) -> None:
    Run.objects.update(status=RunStatus.COMPLETED)
    Node.objects.create(workspace=ours.workspace, node_id="only_ours", type="ai.agent")
    before = fingerprint(ours)
    address = path.format(theirs=theirs.workspace.pk, member=ours.ids["user_id"], key=ours.key.pk)
    response = spy.generic(method, address, json.dumps(body) if body else "", content_type="application/json")
    assert response.status_code in {404, 422}
    assert reveals(text_of(response), ours) == []
    assert fingerprint(ours) == before


def test_an_idempotency_key_of_ours_answers_nobody_elses_request(
    ours: World, theirs: World, spy: APIClient, owner: User, client_for: Callable[[User], APIClient]
) -> None:
    start = {"node_id": "pbx_abc123", "numbers": ["+15550100123"]}
    answers = [
        client.post("/telephony/dialer/start", start, headers={"Idempotency-Key": "the same"}).json()
        for client in (client_for(owner), spy)
    ]
    runs = [Run.objects.get(call_id=answer["call_id"]) for answer in answers]
    assert [run.workspace for run in runs] == [ours.workspace, theirs.workspace]


def audio(call: Call, token: str, client: APIClient | None = None) -> int:
    """The status of a recording asked for with a token in the address."""
    response = (client or APIClient()).get(f"/telephony/calls/{call.call_id}/audio", {"token": token})
    text_of(response)
    return int(response.status_code)


def test_a_media_token_opens_the_one_recording_and_nothing_else(
    ours: World, theirs: World, spy: APIClient, stranger: User, viewer: User
) -> None:
    other_call = make_call(workspace=ours.workspace, has_audio=True)
    token = sign_media(theirs.call.call_id)
    assert audio(theirs.call, token) == 200
    assert [audio(call, token) for call in (ours.call, other_call)] == [401, 401]
    assert audio(ours.call, f"{ours.call.call_id}:{token}") == 401
    assert audio(ours.call, token, spy) == 404  # a caller who is known is told what they may see
    assert audio(ours.call, issue_token(user=stranger)[1]) == 404
    assert audio(ours.call, issue_token(user=viewer)[1]) == 200
    ours_token = sign_media(ours.call.call_id)
    for path in ("/telephony/journal", f"/telephony/journal/call/{ours.call.call_id}", "/workspaces"):
        assert APIClient().get(path, {"token": ours_token}).status_code == 401
        assert APIClient(headers={"Authorization": f"Bearer {ours_token}"}).get(path).status_code == 401


def test_a_bearer_token_in_the_address_opens_recordings_alone(ours: World, viewer: User) -> None:
    _, token = issue_token(user=viewer)
    for row in READS:
        if not row.route.endswith(("/audio", ".mp3")):
            response = APIClient().get(row.path(ours.ids), {"token": token, "access_token": token})
            assert response.status_code == 401, row
