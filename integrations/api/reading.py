"""What a request brings, checked for its shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.request import Request

from aispinner.core.errors import Invalid


def json_object(request: Request) -> Mapping[str, Any]:
    """The body, which must be an object; none at all is an empty one."""
    data: Any = request.data
    if data is None or data == "":
        return {}
    if not isinstance(data, Mapping):
        raise Invalid("Send a JSON object.")
    return data


def text_field(data: Mapping[str, Any], name: str, *, longest: int = 200, required: bool = True) -> str:
    """A text of at most `longest` characters; empty only where it is not `required`."""
    value = data.get(name)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or (required and not value.strip()):
        raise Invalid(f"{name}: this takes text.", errors={name: ["Takes text."]})
    if len(value) > longest:
        sentence = f"Takes at most {longest} characters."
        raise Invalid(f"{name}: {sentence}", errors={name: [sentence]})
    return value.strip()
