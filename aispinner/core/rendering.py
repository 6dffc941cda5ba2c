"""JSON in and out, by orjson: strict where it comes in, and fast where stored JSON text goes out as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

import orjson
from django.conf import settings
from django.http import UnreadablePostError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from aispinner.core.errors import Invalid, Malformed, TooLarge

MAX_DEPTH = 64
LARGEST = 2**63  # what a column, another server's JSON and our own answers can hold
_HUGE = re.compile(rb"\d[eE]|\d{19}")  # may hold a larger number


def _plain(value: object) -> object:
    """What orjson does not know: lazy translations, DRF's own containers, decimals."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset, tuple)) or (
        isinstance(value, Iterable) and not isinstance(value, (str, bytes))
    ):
        return list(value)
    return str(value)


def dump_json(value: object) -> bytes:
    """`value` as JSON bytes. Naive datetimes are refused by never existing (USE_TZ); UTC is written as `Z`."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z)


class JSONRenderer(BaseRenderer):
    """Answers as `application/json`; `orjson.Fragment` values (stored JSON text) are copied, not parsed."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        """`data` as bytes; nothing at all for None (204)."""
        return b"" if data is None else dump_json(data)


class Negotiation(DefaultContentNegotiation):
    """As DRF does it; but who takes anything, or what comes first anyway, gets that without being negotiated with."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The renderer, and the media type it answers with."""
        first, *others = renderers
        accepted = request.META.get("HTTP_ACCEPT", "*/*")
        if accepted in {"*/*", first.media_type} and not format_suffix and "format" not in request.query_params:
            return first, str(first.media_type)
        renderer, media_type = super().select_renderer(request, [first, *others], format_suffix)
        return renderer, media_type


class JSONParser(BaseParser):
    """Reads a JSON body. What no column or function further in could take is refused here, with a sentence."""

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """The body as Python values; Malformed (400), TooLarge (413) or Invalid (422) where it cannot be used."""
        return load_json(_read_all(stream))


def _read_all(stream: IO[bytes]) -> bytes:
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0
    try:
        body = stream.read(limit + 1)
    except UnreadablePostError as error:
        raise Malformed("The connection ended before the whole body had arrived. Send it again.") from error
    if len(body) > limit:
        raise TooLarge(f"The body is larger than {limit // 1024 // 1024} MB. Send it in parts.")
    return body


def load_json(body: bytes) -> Any:
    """The parsed body, checked: no NaN, no lone surrogates, no NUL, no huge number, nothing nested deeper than 64."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"The body is not valid JSON (line {error.lineno}, column {error.colno}).") from error
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _is_deeper(value, than=MAX_DEPTH):
        raise Malformed(f"The body is nested deeper than {MAX_DEPTH} levels. Flatten it.")
    if b"\\u0000" in body:
        _refuse_nul(value)
    if _HUGE.search(body):
        _refuse_huge(value)
    return value


def _is_deeper(value: object, *, than: int) -> bool:
    level = [value]
    for _ in range(than + 1):
        level = [child for item in level for child in _children(item) if type(child) in (list, dict)]
        if not level:
            return False
    return True


def _children(item: object) -> Iterable[object]:
    if isinstance(item, dict):
        return item.values()
    return item if isinstance(item, list) else ()


def _refuse_nul(value: object) -> None:
    for path, text in _strings(value, path=""):
        if "\0" in text:
            field = path or "body"
            raise Invalid(
                f"{field}: text must not contain NUL characters.", errors={field: ["Remove the NUL character."]}
            )


def _refuse_huge(value: object, *, path: str = "") -> None:
    if isinstance(value, dict):
        for key, child in value.items():
            _refuse_huge(child, path=f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for position, child in enumerate(value):
            _refuse_huge(child, path=f"{path}.{position}" if path else str(position))
    elif isinstance(value, (int, float)) and abs(value) >= LARGEST:
        field = path or "body"
        raise Invalid(f"{field}: the number is too large.", errors={field: ["Send a smaller number, or text."]})


def _strings(value: object, *, path: str) -> Iterator[tuple[str, str]]:
    """Every string with where it stands, keys included; `value` is known to be shallow."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, child in value.items():
            yield path, key
            yield from _strings(child, path=f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for position, child in enumerate(value):
            yield from _strings(child, path=f"{path}.{position}" if path else str(position))
