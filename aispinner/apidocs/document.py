"""The OpenAPI document: the descriptions of all floors put together, once in the life of a process."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from importlib import import_module
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer

from aispinner.core.rendering import dump_json

FLOORS = ("aispinner.core", "integrations", "agents", "telephony")


def describe_views(endpoints: Iterable[Any]) -> Iterable[Any]:
    """drf-spectacular's hook before it looks at the views: let each floor describe its own."""
    for floor in FLOORS:
        import_module(f"{floor}.api.schema")
    return endpoints


@cache
def document() -> dict[str, Any]:
    """The whole document."""
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]
    return dict(generator.get_schema(request=None, public=True))  # type: ignore[no-untyped-call]


@cache
def as_json() -> bytes:
    """The document as JSON."""
    return dump_json(document())


@cache
def as_yaml() -> bytes:
    """The document as YAML."""
    return bytes(OpenApiYamlRenderer().render(document(), renderer_context={}))  # type: ignore[no-untyped-call]


@cache
def etag() -> str:
    """Changes with the document."""
    return f'"{sha256(as_json()).hexdigest()[:32]}"'
