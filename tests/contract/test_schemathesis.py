"""Requests made up from the description, sent to the running server: no 5xx, no status or shape it does not name.

10 for each operation; `SCHEMATHESIS_EXAMPLES=1000 ./dev test tests/contract/test_schemathesis.py` makes up more, and
others each time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from schemathesis import openapi
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from aispinner.apidocs.document import document
from tests.contract.test_description import closed
from tests.contract.world import World, make_world
from tests.stack import Stack

pytestmark = pytest.mark.e2e

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "10"))
CONFIG = {
    "generation": {
        "max-examples": EXAMPLES,
        "deterministic": EXAMPLES <= 10,
        "database": "none",
        "with-security-parameters": False,
        "no-shrink": True,
    },
    "phases": {"coverage": {"enabled": EXAMPLES > 10, "unexpected-methods": []}},
    "suppress-health-check": ["all"],
}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
described = openapi.from_dict(closed(document()), config=schemathesis.Config.from_dict(CONFIG))


@pytest.fixture(scope="module")
def world(stack: Stack) -> World:
    return make_world(stack)


@pytest.fixture(scope="module")
def session(world: World) -> Iterator[requests.Session]:
    """One connection for all."""
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {world.token}"
        yield session


def test_the_server_serves_what_is_tested_here(stack: Stack) -> None:
    assert stack.get("/api/schema") == document()


@pytest.mark.parametrize("lie", ["an undocumented field", "an undocumented status", "another type"])
def test_a_description_that_is_not_true_is_noticed(world: World, session: requests.Session, lie: str) -> None:
    false = closed(document())
    workspace = false["components"]["schemas"]["Workspace"]
    if lie == "an undocumented field":
        del workspace["properties"]["role"]
        workspace["required"].remove("role")
    elif lie == "an undocumented status":
        del false["paths"]["/workspaces"]["get"]["responses"]["200"]
    else:
        workspace["properties"]["id"] = {"type": "string"}
    case = openapi.from_dict(false)["/workspaces"]["GET"].Case()
    with pytest.raises(FailureGroup):
        case.call_and_validate(base_url=world.stack.address, session=session, checks=CHECKS, timeout=30)


@described.parametrize()
def test_nothing_undocumented(case: schemathesis.Case[Any], world: World, session: requests.Session) -> None:
    world.aim(case)
    case.call_and_validate(base_url=world.stack.address, session=session, checks=CHECKS, timeout=30)
