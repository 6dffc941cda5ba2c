"""The OpenAPI document and its page: complete, true to its own examples, and changed only on purpose."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from jsonschema import Draft202012Validator

from aispinner.apidocs.document import as_yaml, document

SNAPSHOT = Path(__file__).parents[2] / "docs" / "openapi.yaml"
RENEW = "If it was meant to change: ./dev manage spectacular --file docs/openapi.yaml, and look at the difference."
NOT_THE_API = (
    "admin",
    "login",
    "logout",
    "monitor",
    "try/",
    "metrics",
    "api/schema",
    "api/docs",
    "webhooks/",
)  # for people, about the API, for providers


def operations() -> Iterator[tuple[str, str, Any]]:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


EACH = pytest.mark.parametrize(
    ("path", "method", "operation"), [pytest.param(*each, id=each[2]["operationId"]) for each in operations()]
)


def test_the_description_changes_only_on_purpose() -> None:
    assert as_yaml().decode() == SNAPSHOT.read_text(), RENEW


def test_it_is_openapi_3_1() -> None:
    found = document()
    assert found["openapi"] == "3.1.0"
    for schema in found["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    assert found["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_every_route_is_described() -> None:
    routes = {re.sub(r"<(?:\w+:)?\w+>", "{}", each) for each in _routes(get_resolver().url_patterns)}
    described = {re.sub(r"\{\w+\}", "{}", path).removeprefix("/") for path in document()["paths"]}
    assert {each for each in routes if each and not each.startswith(NOT_THE_API)} == described


@EACH
def test_each_operation_says_what_it_does_and_what_it_answers(path: str, method: str, operation: Any) -> None:
    assert operation["summary"]
    assert operation["description"].endswith(".")
    assert len(operation["tags"]) == 1
    assert operation["tags"][0] in {tag["name"] for tag in document()["tags"]}
    assert {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"} == set(
        re.findall(r"\{(\w+)\}", path)
    )
    for parameter in operation.get("parameters", []):
        assert parameter["description"].endswith(".")
    for status, response in operation["responses"].items():
        assert "$ref" in response or response["description"], status
    if path.startswith(("/healthz", "/readyz")):
        return
    answers = set(operation["responses"])
    assert answers >= {"401", "429", "503"}
    assert ("404" in answers) == ("{" in path or bool(answers & {"403", "404"}))
    if method in {"post", "put", "patch"}:
        assert answers >= {"400", "413", "415", "422"}


@EACH
def test_examples_are_what_their_schemas_say(path: str, method: str, operation: Any) -> None:
    contents = [operation.get("requestBody", {}).get("content", {})]
    contents += [response.get("content", {}) for response in operation["responses"].values()]
    for content in contents:
        for media_type in content.values():
            for example in media_type.get("examples", {}).values():
                assert not list(validator(media_type["schema"]).iter_errors(example["value"]))


@EACH
def test_what_answers_with_json_or_takes_it_has_an_example(path: str, method: str, operation: Any) -> None:
    if path.startswith(("/healthz", "/readyz")):
        return
    bodies = [operation["requestBody"]["content"]["application/json"]] if "requestBody" in operation else []
    good = [response for status, response in operation["responses"].items() if status < "300"]
    for media_type in [*bodies, *(kind for each in good for kind in each.get("content", {}).values())]:
        assert media_type.get("examples") or media_type["schema"].get("format") == "binary"


def validator(schema: Any) -> Draft202012Validator:
    """Of a schema of the document, in which nothing may stand that it does not name."""
    return Draft202012Validator({**schema, "components": closed(document()["components"])})


def closed(value: Any) -> Any:
    """`value` with every object of fields closed: what is not described is an error."""
    if isinstance(value, list):
        return [closed(each) for each in value]
    if not isinstance(value, dict):
        return value
    rest = {name: closed(each) for name, each in value.items()}
    if isinstance(value.get("properties"), dict) and value.get("type") == "object":
        rest.setdefault("additionalProperties", False)
    return rest


def _routes(patterns: list[Any], prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from [] if route.startswith("admin") else _routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route


# --- As it is served -----------------------------------------------------------------------------


def test_the_schema_is_served_as_json_and_as_yaml_to_everybody(client: Client) -> None:
    assert client.get("/api/schema").json() == document()
    for asked in (client.get("/api/schema?format=yaml"), client.get("/api/schema", headers={"accept": "text/yaml"})):
        assert asked.headers["Content-Type"].startswith("application/yaml")
        assert yaml.safe_load(asked.content) == document()


def test_the_schema_is_not_sent_again_to_who_has_it(client: Client) -> None:
    tags = [client.get(f"/api/schema?format={each}").headers["ETag"] for each in ("json", "yaml")]
    assert tags[0] != tags[1]
    assert client.get("/api/schema", headers={"if-none-match": tags[0]}).status_code == HTTPStatus.NOT_MODIFIED
    assert client.get("/api/schema", headers={"if-none-match": tags[1]}).status_code == HTTPStatus.OK


def test_the_page_has_every_operation_and_nothing_from_elsewhere(client: Client) -> None:
    page = client.get("/api/docs", headers={"host": "localhost:8000"}).content.decode()
    for _, _, operation in operations():
        assert f'id="{operation["operationId"]}"' in page
    loaded = re.findall(r'(?:src|<link[^>]*href)="([^"]+)"', page)
    assert loaded
    assert all(each.startswith("/static/") for each in loaded)
    assert "{{" not in page
    assert "http://localhost:8000/telephony/dialer/start" in page
    assert "Authorization: Bearer" in page


def test_the_page_escapes_what_it_is_told(client: Client) -> None:
    page = client.get("/api/docs").content.decode()
    assert "&lt;your token&gt;" in page
    assert "<your token>" not in page
