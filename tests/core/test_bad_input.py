"""No input makes the server fail: every address, with every kind of nonsense, answers below 500."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIClient

from aispinner.core.models import NodeType
from tests.conftest import Lasting
from tests.factories import make_node, make_run, make_user, make_workspace

NONSENSE: list[Any] = [
    None,
    True,
    -1,
    0,
    1.5,
    1e300,
    2**63,
    2**64 - 1,
    "",
    "\\",
    "+1555" * 1000,
    [],
    [[]],
    {},
    {"a": {"b": []}},
]
FIELDS = [
    *("agent_node_id", "before_id", "date_from", "date_to", "elevenlabs_agent_id", "hangup", "key", "limit", "name"),
    *(
        "max_concurrent",
        "node_id",
        "numbers",
        "pacing",
        "parent_call_id",
        "phone_number",
        "phone_number_id",
        "provider",
    ),
    *("q", "recipients", "settings_json", "since", "since_id", "since_version", "sip_port", "sip_server", "status"),
    *("title", "token", "twilio_phone", "twilio_sid", "twilio_token", "workspace_id"),
]
SHAPED = ("numbers", "recipients", "max_concurrent", "name", "settings_json")
IDS = ["%00", "%FF", "%ED%A0%80", "x" * 300, "9" * 30, "-1", "%F0%9F%93%9E", "a%0Ab", "..", "%2B15550100123"]
QUERIES = [
    "%00",
    "%FF",
    "",
    "9" * 30,
    "-1",
    "1e9",
    "nan",
    "9999-12-31T23:59:59%2B14:00",
    "0001-01-01",
    "%ED%A0%80",
    ",,,",
]


def routes(patterns: list[URLPattern | URLResolver] | None = None) -> Iterator[str]:
    """Every address but the admin's, as `path` writes it."""
    for each in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(each, URLPattern):
            yield str(each.pattern)
        elif not str(each.pattern).startswith("admin"):
            yield from routes(each.url_patterns)


ROUTES = sorted(set(routes()))


@pytest.fixture(scope="module")
def ids(lasting: Lasting) -> dict[str, str]:
    """What the placeholders of addresses may stand for."""
    with lasting():
        owner, editor, viewer = map(make_user, ("owner", "editor", "viewer"))
        workspace = make_workspace("Acme", owner=owner, editor=editor, viewer=viewer)
        node = make_node(workspace=workspace, type=NodeType.PHONE_NUMBER, node_id="phone_abc")
        run = make_run(workspace=workspace)
    return {"workspace_id": str(workspace.pk), "node_id": node.node_id, "call_id": run.call_id}


@pytest.fixture
def client(settings: LazySettings, db: None, ids: dict[str, str], client_for: Callable[[User], APIClient]) -> APIClient:
    """The owner's; no provider answers."""
    settings.ELEVENLABS_BASE_URL = "http://127.0.0.1:1"
    return client_for(User.objects.get(username="owner"))


def fill(route: str, ids: dict[str, str]) -> str:
    """The address with its placeholders filled."""
    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda match: ids.get(match[1], "1"), route)


def allowed(client: APIClient, path: str) -> set[str]:
    """The methods that an address takes."""
    return set(client.options(path).get("Allow", "GET, POST").split(", "))


def methods(client: APIClient, path: str) -> set[str]:
    """What an address takes beside GET."""
    return allowed(client, path) - {"GET", "HEAD", "OPTIONS"}


def check(client: APIClient, method: str, path: str, body: str = "") -> None:
    """The answer is meant for a client; what crashes is raised by the test client itself."""
    response = client.generic(method, path, body, content_type="application/json")
    if path.startswith("/readyz"):
        return
    assert response.status_code not in {500, 503}, (method, path, body[:200], response.content)
    if response.status_code >= 400 and response.content:
        assert json.loads(response.content)["detail"]


@pytest.mark.parametrize("route", [route for route in ROUTES if "<" in route])
def test_no_id_in_an_address_makes_it_fail(client: APIClient, ids: dict[str, str], route: str) -> None:
    others = methods(client, fill(route, ids))
    for bad in IDS:
        path = "/" + re.sub(r"<[^>]+>", bad, route)
        for method in ("GET", *others):
            check(client, method, path, "{}")


@pytest.mark.parametrize("route", ROUTES)
def test_no_query_makes_it_fail(client: APIClient, ids: dict[str, str], route: str) -> None:
    path = fill(route, ids)
    if "GET" not in allowed(client, path):
        return  # nobody reads a query there
    for bad in QUERIES:
        check(client, "GET", f"{path}?{'&'.join(f'{field}={bad}' for field in FIELDS)}")
        check(client, "GET", f"{path}?workspace_id={ids['workspace_id']}&limit={bad}&since_id={bad}")
    for field, bad in zip(FIELDS, cycle(QUERIES), strict=False):
        check(client, "GET", f"{path}?{field}={bad}")


@pytest.mark.parametrize("route", ROUTES)
def test_no_body_makes_it_fail(client: APIClient, ids: dict[str, str], route: str) -> None:
    path, workspace_id = fill(route, ids), int(ids["workspace_id"])
    known = {"workspace_id": workspace_id, "node_id": ids["node_id"], "numbers": ["+15550100123"], "provider": "sip"}
    for method in methods(client, path):
        for bad in NONSENSE:
            whole = [bad, dict.fromkeys(FIELDS, bad), {**dict.fromkeys(FIELDS, bad), "workspace_id": workspace_id}]
            shaped = SHAPED if route.startswith("telephony/") else ()  # where such fields are known
            for body in [*whole, *({**known, field: bad} for field in shaped)]:
                check(client, method, path, json.dumps(body))


@pytest.mark.parametrize("route", ROUTES)
def test_what_is_no_json_is_never_worse_than_that(client: APIClient, ids: dict[str, str], route: str) -> None:
    path = fill(route, ids)
    for method in methods(client, path):
        for body in ("", "{", "NaN", '{"a": "\\ud800"}', '{"a": "\\u0000"}', "[" * 5000, "\0"):
            check(client, method, path, body)
