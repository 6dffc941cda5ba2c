"""Checks bodies and queries as pydantic does and words the 422 list the same way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.datastructures import QueryParams

Json = dict[str, Any]
Kind = Literal["str", "int", "number", "bool", "object", "list", "any"]
Path = list[str | int]


@dataclass(frozen=True)
class Field:
    """What one key may hold. `fields` describes a nested object, `item` the entries of a list."""

    kind: Kind = "str"
    required: bool = False
    nullable: bool = True
    default: Any = None
    choices: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    max_items: int | None = None
    fields: Mapping[str, Field] = field(default_factory=dict)
    item: Field | None = None


Fields = Mapping[str, Field]
Schema = Fields | Callable[[Json], Fields]

_WORDS: dict[str, tuple[str, str]] = {
    "str": ("string_type", "Input should be a valid string"),
    "int": ("int_type", "Input should be a valid integer"),
    "number": ("float_type", "Input should be a valid number"),
    "bool": ("bool_type", "Input should be a valid boolean"),
    "object": ("dict_type", "Input should be a valid dictionary"),
    "list": ("list_type", "Input should be a valid list"),
}


def problem(kind: str, loc: Path, msg: str, given: Any, **ctx: Any) -> Json:
    """One entry of the 422 list."""
    entry: Json = {"type": kind, "loc": loc, "msg": msg, "input": given}
    return {**entry, "ctx": ctx} if ctx else entry


def check_body(body: Any, schema: Schema) -> list[Json]:
    """What is wrong with a JSON body; an empty list where nothing is."""
    if not isinstance(body, dict):
        return [problem("model_attributes_type", ["body"], "Input should be a valid dictionary or object", body)]
    return _check_object(body, schema(body) if callable(schema) else schema, ["body"])


def _check_object(given: Json, fields: Fields, loc: Path) -> list[Json]:
    problems: list[Json] = []
    for name, expected in fields.items():
        if name not in given:
            if expected.required:
                problems.append(problem("missing", [*loc, name], "Field required", given))
        elif given[name] is None and expected.nullable and not expected.required:
            continue
        else:
            problems += _check_value(given[name], expected, [*loc, name])
    return problems


def _is_of(kind: Kind, value: Any) -> bool:
    if kind == "any":
        return True
    if kind in ("int", "number"):
        whole = isinstance(value, int) or (isinstance(value, float) and (kind == "number" or value.is_integer()))
        return whole and not isinstance(value, bool)
    types: dict[str, type] = {"str": str, "bool": bool, "object": dict, "list": list}
    return isinstance(value, types[kind])


def _check_value(value: Any, expected: Field, loc: Path) -> list[Json]:
    if not _is_of(expected.kind, value):
        kind, msg = _WORDS[expected.kind]
        return [problem(kind, loc, msg, value)]
    if expected.choices and value not in expected.choices:
        return [_not_a_choice(value, expected, loc)]
    if expected.kind in ("int", "number"):
        return _check_range(value, expected, loc)
    if expected.kind == "object":
        return _check_object(value, expected.fields, loc)
    if expected.kind == "list":
        return _check_list(value, expected, loc)
    return []


def _not_a_choice(value: Any, expected: Field, loc: Path) -> Json:
    names = [f"'{choice}'" for choice in expected.choices]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
    return problem("enum", loc, f"Input should be {listed}", value, expected=listed)


def _check_range(value: float, expected: Field, loc: Path) -> list[Json]:
    if expected.minimum is not None and value < expected.minimum:
        msg = f"Input should be greater than or equal to {expected.minimum}"
        return [problem("greater_than_equal", loc, msg, value, ge=expected.minimum)]
    if expected.maximum is not None and value > expected.maximum:
        msg = f"Input should be less than or equal to {expected.maximum}"
        return [problem("less_than_equal", loc, msg, value, le=expected.maximum)]
    return []


def _check_list(value: list[Any], expected: Field, loc: Path) -> list[Json]:
    if expected.max_items is not None and len(value) > expected.max_items:
        msg = f"List should have at most {expected.max_items} items after validation, not {len(value)}"
        return [problem("too_long", loc, msg, None, max_length=expected.max_items, actual_length=len(value))]
    problems: list[Json] = []
    if expected.item is not None:
        for position, entry in enumerate(value):
            problems += _check_value(entry, expected.item, [*loc, position])
    return problems


_BOOLS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def check_query(params: QueryParams, fields: Fields) -> tuple[Json, list[Json]]:
    """Query values by name, defaults filled in, and what is wrong with them. Unknown names are ignored."""
    values: Json = {}
    problems: list[Json] = []
    for name, expected in fields.items():
        loc: Path = ["query", name]
        if name not in params:
            values[name] = [] if expected.kind == "list" else expected.default
            if expected.required:
                problems.append(problem("missing", loc, "Field required", None))
            continue
        raw: Any = params.getlist(name) if expected.kind == "list" else params[name]
        value, trouble = _from_text(raw, expected, loc)
        values[name] = value
        problems += [trouble] if trouble else _check_value(value, expected, loc)
    return values, problems


def _from_text(raw: Any, expected: Field, loc: Path) -> tuple[Any, Json | None]:
    if expected.kind == "int":
        try:
            return int(raw), None
        except ValueError:
            msg = "Input should be a valid integer, unable to parse string as an integer"
            return None, problem("int_parsing", loc, msg, raw)
    if expected.kind == "bool":
        if str(raw).lower() in _BOOLS:
            return _BOOLS[str(raw).lower()], None
        msg = "Input should be a valid boolean, unable to interpret input"
        return None, problem("bool_parsing", loc, msg, raw)
    return raw, None
