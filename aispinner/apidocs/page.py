"""The OpenAPI document made ready to be read: sections, operations, fields; `templates/docs/` lays them out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import slugify

from aispinner.apidocs.document import document

Json = Mapping[str, Any]
_CODE = re.compile(r"`([^`]+)`")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_JSON = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?|\b(true|false|null)\b|(-?\d+(?:\.\d+)?)')
_PLACES = (("path", "Path"), ("query", "Query"), ("header", "Headers"))


@dataclass(frozen=True)
class Field:
    """A parameter, or a field of a body or an answer, with the fields in it."""

    name: str
    kind: str
    required: bool
    text: SafeString
    note: SafeString
    fields: Sequence[Field] = ()


@dataclass(frozen=True)
class Example:
    """Something to copy, coloured."""

    name: str
    text: SafeString


@dataclass(frozen=True)
class Answer:
    """What an operation may answer."""

    status: int
    phrase: str
    text: SafeString
    kinds: Sequence[str] = ()
    fields: Sequence[Field] = ()
    examples: Sequence[Example] = ()

    @property
    def is_good(self) -> bool:
        return self.status < 400


@dataclass(frozen=True)
class Operation:
    """A method on a path. `usual` are the refusals that are described once for all."""

    slug: str
    method: str
    path: SafeString
    title: str
    text: SafeString
    is_open: bool
    parameters: Sequence[tuple[str, Sequence[Field]]]
    body: Sequence[Field]
    requests: Sequence[Example]
    answers: Sequence[Answer]
    usual: Sequence[int]


@dataclass(frozen=True)
class Section:
    """The operations that belong together."""

    slug: str
    name: str
    text: SafeString
    operations: list[Operation] = field(default_factory=list)


@cache
def usual_refusals() -> list[Answer]:
    """What every operation may answer, described once."""
    codes: dict[str, int] = {}
    for _, _, operation in _operations():
        for status, response in operation["responses"].items():
            if "$ref" in response:
                codes[response["$ref"].rpartition("/")[2]] = int(status)
    shared = document()["components"]["responses"]
    return [
        Answer(status, HTTPStatus(status).phrase, prose(shared[name]["description"]))
        for name, status in sorted(codes.items(), key=lambda item: item[1])
    ]


def sections(*, address: str) -> list[Section]:
    """Everything, in order; `address` is where the examples send their requests."""
    found = {
        tag["name"]: Section(slugify(tag["name"]), tag["name"], prose(tag["description"])) for tag in document()["tags"]
    }
    for path, method, operation in _operations():
        found[operation["tags"][0]].operations.append(_operation(path, method, operation, address))
    return list(found.values())


def prose(text: str) -> SafeString:
    """Plain sentences as HTML: paragraphs, and code between backticks."""
    paragraphs = [_CODE.sub(r"<code>\1</code>", escape(each.strip())) for each in text.split("\n\n") if each.strip()]
    return mark_safe("".join(f"<p>{each}</p>" for each in paragraphs))  # noqa: S308 - escaped above


def coloured(value: Any) -> SafeString:
    """JSON, or text as it is, with spans for its parts."""
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)

    def paint(match: re.Match[str]) -> str:
        word, colon, literal, number = match.groups()
        if word is None:
            return f"<i>{literal or number}</i>"
        return f"<b>{escape(word)}</b>{colon}" if colon else f"<s>{escape(word)}</s>"

    parts: list[str] = []
    at = 0
    for match in _JSON.finditer(text):
        parts += [escape(text[at : match.start()]), paint(match)]
        at = match.end()
    return mark_safe("".join([*parts, escape(text[at:])]))  # noqa: S308 - escaped piece by piece


def _operations() -> Iterator[tuple[str, str, Json]]:
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            yield path, method, operation


def _operation(path: str, method: str, operation: Json, address: str) -> Operation:
    parameters = operation.get("parameters", [])
    body = operation.get("requestBody", {})
    content = body.get("content", {}).get("application/json", {})
    responses = operation["responses"]
    return Operation(
        slug=operation["operationId"],
        method=method.upper(),
        path=mark_safe(_PLACEHOLDER.sub(r"<em>{\1}</em>", escape(path))),  # noqa: S308 - escaped
        title=operation["summary"],
        text=prose(operation["description"]),
        is_open=not operation.get("security"),
        parameters=[
            (title, [_parameter(each) for each in parameters if each["in"] == place])
            for place, title in _PLACES
            if any(each["in"] == place for each in parameters)
        ],
        body=_fields(content.get("schema", {})),
        requests=_requests(path, method, operation, content.get("examples", {}), address),
        answers=[_answer(int(status), each) for status, each in responses.items() if "$ref" not in each],
        usual=[int(status) for status, each in responses.items() if "$ref" in each],
    )


def _parameter(parameter: Json) -> Field:
    schema = parameter["schema"]
    return Field(
        name=parameter["name"],
        kind=_kind(schema),
        required=bool(parameter.get("required")),
        text=prose(parameter.get("description", "")),
        note=_note(schema),
    )


def _answer(status: int, response: Json) -> Answer:
    content: Json = response.get("content", {})
    schema: Json = next((each["schema"] for kind, each in content.items() if kind == "application/json"), {})
    return Answer(
        status=status,
        phrase=HTTPStatus(status).phrase,
        text=prose(response["description"] if response["description"] != HTTPStatus(status).phrase else ""),
        kinds=[kind for kind in content if kind != "application/json" or len(content) > 1],
        fields=_fields(schema) if status < 400 else (),
        examples=[
            Example(example.get("summary", name), coloured(example["value"]))
            for each in content.values()
            for name, example in each.get("examples", {}).items()
        ],
    )


def _requests(path: str, method: str, operation: Json, examples: Json, address: str) -> list[Example]:
    """The request as a curl command, for each example of a body."""
    bodies = {each.get("summary", name): each["value"] for name, each in examples.items()} or {"curl": None}
    return [Example(name, _curl(path, method, operation, body, address)) for name, body in bodies.items()]


def _curl(path: str, method: str, operation: Json, body: Any, address: str) -> SafeString:
    values = {each["name"]: _example_of(each) for each in operation.get("parameters", []) if _example_of(each)}
    filled = _PLACEHOLDER.sub(lambda match: quote(str(values.get(match[1], match[0])), safe="{}"), path)
    wanted = {each["name"] for each in operation.get("parameters", []) if each["in"] == "query"}
    query = urlencode({name: value for name, value in values.items() if name in wanted})
    verb = {"GET": "", "HEAD": "-I "}.get(method.upper(), f"-X {method.upper()} ")
    lines = [f"curl {verb}'{address}{filled}{'?' + query if query else ''}'"]
    if operation.get("security"):
        lines.append('-H "Authorization: Bearer $TOKEN"')
    if body is None:
        return escape(" \\\n  ".join(lines))
    lines += ["-H 'Content-Type: application/json'", "-d '"]
    text = json.dumps(body, indent=2, ensure_ascii=False).replace("'", "'\\''")
    return escape(" \\\n  ".join(lines)) + coloured(text) + escape("'")


def _example_of(parameter: Json) -> Any:
    examples = list(parameter.get("examples", {}).values())
    return examples[0]["value"] if examples else None


def _resolved(schema: Json) -> Json:
    while "$ref" in schema:
        schema = document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if len(schema.get("allOf", ())) == 1:
        return {**_resolved(schema["allOf"][0]), **{key: each for key, each in schema.items() if key != "allOf"}}
    for way in schema.get("oneOf", ()):
        if way.get("type") != "null":
            return {**_resolved(way), **{key: each for key, each in schema.items() if key != "oneOf"}, "nullable": True}
    return schema


def _fields(schema: Json) -> list[Field]:
    """The fields of an object, or of the objects in a list."""
    schema = _resolved(schema)
    if schema.get("type") == "array":
        return _fields(schema["items"])
    needed = schema.get("required", [])
    return [_field(name, each, required=name in needed) for name, each in schema.get("properties", {}).items()]


def _field(name: str, schema: Json, *, required: bool) -> Field:
    resolved = _resolved(schema)
    text = schema.get("description") or ("" if "$ref" in schema else resolved.get("description", ""))
    return Field(name, _kind(schema), required, prose(text), _note(resolved), _fields(schema))


def _kind(schema: Json) -> str:
    """A type in words: `string or null`, `array of integer`, `date-time`."""
    schema = _resolved(schema)
    types = schema.get("type", "any")
    types = [types] if isinstance(types, str) else list(types)
    if schema.get("nullable"):
        types.append("null")
    names = [schema["format"] if each == "string" and "format" in schema else each for each in types]
    if names[0] == "array":
        names[0] = f"array of {_kind(schema.get('items', {}))}"
    return " or ".join(names)


def _note(schema: Json) -> SafeString:
    """The words that are allowed, limits and the default."""
    words = schema.get("enum") or schema.get("items", {}).get("enum") or []
    notes = [" · ".join(f"`{each}`" for each in words if each is not None)] if words else []
    if "maximum" in schema:
        notes.append(f"{schema.get('minimum', 0)} to {schema['maximum']}")
    if "maxLength" in schema and schema["maxLength"] > 1:
        notes.append(f"at most {schema['maxLength']} characters")
    if "maxItems" in schema:
        notes.append(f"at most {schema['maxItems']:,}")
    if schema.get("default") not in (None, ""):
        notes.append(f"default `{schema['default']}`")
    return prose(", ".join(notes))
