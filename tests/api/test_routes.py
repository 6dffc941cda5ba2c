"""Every route by everybody: who is let in, who is told that it is not theirs to do, and who learns nothing at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.urls import URLPattern
from rest_framework.test import APIClient

from aispinner.core.models import Workspace
from telephony.api.urls import urlpatterns
from telephony.models import RunStatus
from tests.api.conftest import Line
from tests.factories import make_key
from tests.journal.rows import make_call

pytestmark = pytest.mark.django_db

START = {"node_id": "pbx_abc123", "numbers": ["+15550100123"]}
SETTINGS = {"settings_json": {"sip_server": "sip.example.org"}}

# method, route, body, status for: a stranger, a viewer, an editor, the owner
ROUTES: list[tuple[str, str, Any, tuple[int, int, int, int]]] = [
    ("POST", "telephony/dialer/start", START, (404, 403, 200, 200)),
    ("GET", "telephony/runs", None, (200, 200, 200, 200)),
    ("GET", "telephony/runs/resumable", None, (200, 200, 200, 200)),
    ("GET", "telephony/runs/<str:call_id>", None, (404, 200, 200, 200)),
    ("POST", "telephony/runs/<str:call_id>/pause", None, (404, 403, 200, 200)),
    ("POST", "telephony/runs/<str:call_id>/resume", None, (404, 403, 200, 200)),
    ("POST", "telephony/runs/<str:call_id>/cancel", None, (404, 403, 200, 200)),
    ("PATCH", "telephony/runs/<str:call_id>/name", {"name": "VIP"}, (404, 403, 200, 200)),
    ("GET", "telephony/calls/<str:call_id>/events", None, (404, 200, 200, 200)),
    ("GET", "telephony/calls/<str:call_id>/audio", None, (404, 404, 404, 404)),
    ("HEAD", "telephony/calls/<str:call_id>/audio", None, (404, 404, 404, 404)),
    ("GET", "telephony/journal", None, (200, 200, 200, 200)),
    ("GET", "telephony/journal/call/<str:call_id>", None, (404, 200, 200, 200)),
    ("GET", "telephony/journal/<str:node_id>", None, (404, 200, 200, 200)),
    ("GET", "telephony/settings", None, (200, 200, 200, 200)),
    ("PUT", "telephony/settings", SETTINGS, (200, 403, 200, 200)),
    ("DELETE", "integrations/elevenlabs/keys/<str:key_id>", None, (404, 403, 403, 204)),
]
CAST = ("stranger", "viewer", "editor", "owner")


@pytest.fixture
def address(line: Line, other_workspace: Workspace) -> Callable[[str], str]:
    """The route with the ids of things in the workspace."""
    call = make_call(workspace=line.workspace, pbx=line.pbx)
    spare = make_key(workspace=line.workspace, account=line.key.account)

    def fill(route: str) -> str:
        if "/runs/" in route or route.endswith("start"):
            status = RunStatus.PAUSED if route.endswith(("resume", "start")) else RunStatus.RUNNING
            route = route.replace("<str:call_id>", line.run(status=status).call_id)
        route = route.replace("<str:call_id>", call.call_id).replace("<str:key_id>", str(spare.pk))
        return "/" + route.replace("<str:node_id>", "pbx_abc123")

    return fill


@pytest.mark.parametrize(("method", "route", "body", "statuses"), ROUTES)
def test_each_route_lets_in_whom_it_should(
    request: pytest.FixtureRequest,
    client_for: Callable[[User], APIClient],
    address: Callable[[str], str],
    method: str,
    route: str,
    body: Any,
    statuses: tuple[int, int, int, int],
) -> None:
    clients = {person: client_for(request.getfixturevalue(person)) for person in CAST}
    clients["nobody"], clients["an impostor"] = APIClient(), APIClient(headers={"Authorization": "Bearer " + "a" * 64})
    found = {}
    for person, client in clients.items():
        with transaction.atomic():  # so that each finds the same
            response = client.generic(method, address(route), json.dumps(body) if body else "", "application/json")
            found[person] = response.status_code
            transaction.set_rollback(True)
        assert response.status_code != 401 or response.headers["WWW-Authenticate"] == "Bearer"
    assert found == dict(zip([*CAST, "nobody", "an impostor"], [*statuses, 401, 401], strict=True))


def test_the_table_names_every_route() -> None:
    routes = {str(each.pattern) for each in urlpatterns if isinstance(each, URLPattern)}
    assert routes == {route for _, route, _, _ in ROUTES}


@pytest.mark.parametrize("path", ["telephony/runs", "telephony/runs/resumable", "telephony/journal"])
def test_a_strangers_lists_hold_nothing_of_ours(as_stranger: APIClient, line: Line, path: str) -> None:
    run = line.run(status=RunStatus.PAUSED)
    make_call(workspace=line.workspace, run=run, pbx=line.pbx)
    answer = as_stranger.get(f"/{path}").json()
    assert answer["total"] == 0
    assert not answer.get("runs")
    assert not answer.get("calls")
    assert not answer.get("campaigns")


@pytest.mark.parametrize(
    "query",
    ["workspace_id={workspace}", "node_id=pbx_abc123", "parent_call_id={run}"],
)
def test_no_filter_reaches_into_another_workspace(as_stranger: APIClient, line: Line, query: str) -> None:
    run = line.run()
    text = query.format(workspace=line.workspace.pk, run=run.call_id)
    assert as_stranger.get(f"/telephony/journal?{text}").status_code == 404


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_other_methods_are_refused(as_owner: APIClient, line: Line, method: str) -> None:
    response = as_owner.generic(method, "/telephony/journal")
    assert response.status_code == 405
    assert response.json()["detail"]
