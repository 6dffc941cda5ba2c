"""What JSON is taken, what is refused and how, and what goes out."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO

import orjson
import pytest
from django.conf import LazySettings
from django.http import Http404
from rest_framework.exceptions import APIException
from rest_framework.negotiation import BaseContentNegotiation, DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.test import APIClient, APIRequestFactory

from aispinner.core.errors import Invalid, Malformed, TooLarge
from aispinner.core.rendering import MAX_DEPTH, JSONParser, JSONRenderer, Negotiation, load_json


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1e999}',
        b'{"a": "\\ud800"}',
        b'{"a": "\xff"}',
        b'{"a": "\x00"}',
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b"[" * (MAX_DEPTH + 2) + b"]" * (MAX_DEPTH + 2),
    ],
    ids=lambda body: repr(body[:20]),
)
def test_what_is_no_json_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        load_json(body)


def test_depth_is_counted_and_not_brackets() -> None:
    assert load_json(b"[" + b",".join([b"{}"] * 1000) + b"]") == [{}] * 1000
    deep = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert load_json(b"[" + deep.replace(b"[", b"[", 1) + b"]") is not None


def test_nul_in_text_names_the_place() -> None:
    with pytest.raises(Invalid) as refused:
        load_json(rb'{"recipients": [{"number": "+1"}, {"number": "a\u0000b"}]}')
    assert list(refused.value.errors) == ["recipients.1.number"]
    with pytest.raises(Invalid):
        load_json(rb'{"a\u0000": 1}')
    assert load_json(rb'{"a": "\\u0000"}') == {"a": "\\u0000"}


def test_a_body_beyond_the_limit_is_too_large(settings: LazySettings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    assert JSONParser().parse(BytesIO(b'"12345678"')) == "12345678"
    with pytest.raises(TooLarge):
        JSONParser().parse(BytesIO(b'"123456789"'))


def test_malformed_json_is_a_400_with_the_place(db: None) -> None:
    response = APIClient().generic("POST", "/auth/token", '{"username": \n"a",}', content_type="application/json")
    assert response.status_code == 400
    assert "line 2" in json.loads(response.content)["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"1",
        b'"a"',
        b"null",
        b"true",
        b'{"username": {}, "password": []}',
        b'{"username": true, "password": 99999999999999999999999}',
        b'{"username": "a", "password": "b", "expiry": 1e308}',
        b'{"username": "a", "password": "b", "expiry": "2026-02-31T00:00:00Z"}',
        b'{"username": "a", "password": "b", "expiry": "9999-12-31T23:59:59+14:00"}',
        b'{"username": "a", "password": "b", "expiry": {}}',
    ],
)
def test_json_of_the_wrong_kind_is_invalid(db: None, body: bytes) -> None:
    response = APIClient().generic("POST", "/auth/token", body.decode(), content_type="application/json")
    assert response.status_code == 422, response.content


def test_stored_json_goes_out_as_it_is() -> None:
    rendered = JSONRenderer().render({"transcript": orjson.Fragment(b'[ {"a":1} ]'), "total": 1})
    assert rendered == b'{"transcript":[ {"a":1} ],"total":1}'


def test_moments_go_out_as_published() -> None:
    moment = datetime(2026, 5, 4, 10, 23, 45, tzinfo=UTC)
    assert JSONRenderer().render({"created_at": moment}) == b'{"created_at":"2026-05-04T10:23:45Z"}'
    assert JSONRenderer().render({1: {2}, "left": timedelta(seconds=1)}) == b'{"1":[2],"left":"0:00:01"}'


def test_nothing_goes_out_as_nothing() -> None:
    assert JSONRenderer().render(None) == b""


def test_answers_are_json_whatever_a_browser_accepts(owner: object, client_for: Callable[..., APIClient]) -> None:
    response = client_for(owner).get("/auth/tokens", HTTP_ACCEPT="text/html,application/xhtml+xml,*/*;q=0.8")
    assert response["Content-Type"] == "application/json"


@pytest.mark.parametrize("number", ["1e308", "1e20", "18446744073709551616", "-1e19"])
def test_a_number_that_nobody_could_give_back_is_refused_with_its_place(number: str) -> None:
    with pytest.raises(Invalid, match=r"recipients\.0\.variables\.n"):
        load_json(f'{{"recipients": [{{"variables": {{"n": {number}}}}}]}}'.encode())


def test_large_numbers_that_fit_pass() -> None:
    assert load_json(b'{"n": 9223372036854775807, "x": 1.5e3}') == {"n": 2**63 - 1, "x": 1500.0}


class TextRenderer(JSONRenderer):
    """A second kind of answer."""

    media_type = "text/csv"
    format = "csv"


def negotiated(how: BaseContentNegotiation, accept: str, query: str) -> tuple[str, ...]:
    """The format and media type that are answered with, or why there is none."""
    request = Request(APIRequestFactory().get(f"/{query}", HTTP_ACCEPT=accept))
    try:
        renderer, media_type = how.select_renderer(request, [JSONRenderer(), TextRenderer()], None)
    except (APIException, Http404) as refused:
        return (type(refused).__name__,)
    return str(renderer.format), media_type


@pytest.mark.parametrize("query", ["", "?format=csv", "?format=json", "?format=xml"])
@pytest.mark.parametrize(
    "accept",
    ["*/*", "application/json", "application/json; indent=2", "text/csv", "text/*;q=0.5, */*;q=0.1", "image/png", ""],
)
def test_an_answer_is_negotiated_as_ever_where_nothing_is_taken_for_granted(accept: str, query: str) -> None:
    assert negotiated(Negotiation(), accept, query) == negotiated(DefaultContentNegotiation(), accept, query)
