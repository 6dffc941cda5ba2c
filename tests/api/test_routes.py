"""Every route by everybody: who is let in, who is told that it is not theirs to do, and who learns nothing at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIClient

from aispinner.asgi import SOCKETS, STREAMS
from tests.api.lasting import *  # noqa: F403 - its fixtures
from tests.api.routes import CAST, ROWS, Row, methods, routes
from tests.api.world import World
from tests.integrations.conftest import Sim, sim, simulator

pytestmark = pytest.mark.django_db
__all__ = ["sim", "simulator"]
ClientFor = Callable[[User], APIClient]
SOCKETS_TRIED = {"ws/events"}  # each by tests of its own


@pytest.fixture
def clients(request: pytest.FixtureRequest, client_for: ClientFor) -> dict[str, APIClient]:
    """One for each of the cast, and one with a token that is none."""
    known = {person: client_for(request.getfixturevalue(person)) for person in CAST if person != "nobody"}
    impostor = APIClient(headers={"Authorization": "Bearer ais_" + "a" * 64})
    return {"nobody": APIClient(), **known, "an impostor": impostor}


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_each_route_lets_in_whom_it_should(row: Row, world: World, clients: dict[str, APIClient], sim: Sim) -> None:
    found = {}
    for person, client in clients.items():
        with transaction.atomic():  # so that each finds the same
            response = row.send(client, world.ids)
            found[person] = response.status_code
            if response.streaming:
                b"".join(response.streaming_content)
            transaction.set_rollback(True)
        assert response.status_code != 401 or "WWW-Authenticate" in response or row.route.startswith("webhooks/")
        if response.status_code >= 400 and row.method != "HEAD" and row.route != "readyz":
            assert response.json()["detail"].endswith((".", ")"))
    expected = dict(zip(CAST, row.statuses, strict=True))
    assert found == {**expected, "an impostor": expected["nobody"]}


def test_the_table_names_every_route_with_every_method() -> None:
    tabled = {(row.route, row.method) for row in ROWS}
    served = set()
    for route in routes():
        name = str(route.pattern)
        served |= {(name, method) for method in methods(route)}
        assert name in {row.route for row in ROWS}, f"tests/api/routes.py has no row for {name}"
    assert served <= tabled, f"tests/api/routes.py has no row for {sorted(served - tabled)}"
    assert {route for route, _ in tabled} == {str(route.pattern) for route in routes()}


def test_streams_are_of_the_same_addresses_and_sockets_have_tests_of_their_own() -> None:
    assert {str(each.pattern) for each in STREAMS} <= {row.route for row in ROWS}
    assert {str(each.pattern) for each in SOCKETS} == SOCKETS_TRIED


def admin_routes(patterns: list[URLPattern | URLResolver], prefix: str = "/") -> Iterator[str]:
    """The admin's addresses, their placeholders filled with a one."""
    for each in patterns:
        text = prefix + re.sub(r"\([^)]*\)|<[^>]+>", "1", str(each.pattern)).strip("^$").replace("\\", "")
        if isinstance(each, URLResolver):
            yield from admin_routes(each.url_patterns, text)
        else:
            yield text


def test_no_bearer_token_opens_the_admin(world: World, clients: dict[str, APIClient]) -> None:
    admin = next(each for each in get_resolver().url_patterns if str(each.pattern) == "admin/")
    assert isinstance(admin, URLResolver)
    addresses = sorted(set(admin_routes(admin.url_patterns, "/admin/")))
    assert len(addresses) > 50
    for person in ("nobody", "owner"):
        for address in addresses:
            response = clients[person].get(address)
            if address not in {"/admin/login/", "/admin/logout/"}:
                assert response.status_code == 302, address
                assert response["Location"].startswith("/admin/login/"), address


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_other_methods_are_refused(as_owner: APIClient, method: str) -> None:
    response = as_owner.generic(method, "/telephony/journal")
    assert response.status_code == 405
    assert response.json()["detail"]
