"""Whatever goes wrong, the answer has one shape, the right status, and nothing in it that is not the client's."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404
from django.test import Client
from kombu.exceptions import OperationalError as BrokerError
from psycopg.errors import ForeignKeyViolation
from psycopg_pool import PoolTimeout
from redis.exceptions import ConnectionError as RedisConnectionError
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient, APIRequestFactory
from rest_framework.views import APIView

from aispinner.core import errors
from aispinner.core.failures import exception_handler, flatten


def answer_to(error: Exception) -> Response:
    """What a view answers that raises `error`."""

    class View(APIView):
        authentication_classes = permission_classes = ()

        def get(self, _request: Request) -> Response:
            raise error

    response = View.as_view()(APIRequestFactory().get("/"))
    response.render()
    return response


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.Malformed(), 400),
        (exceptions.ParseError("secret detail"), 400),
        (SuspiciousOperation("secret detail"), 400),
        (exceptions.NotAuthenticated(), 401),
        (exceptions.AuthenticationFailed("This token is not valid."), 401),
        (errors.Forbidden(), 403),
        (exceptions.PermissionDenied(), 403),
        (PermissionDenied("secret detail"), 403),
        (errors.NotFound(), 404),
        (Http404("secret detail"), 404),
        (exceptions.MethodNotAllowed("PUT"), 405),
        (exceptions.NotAcceptable(), 406),
        (errors.Conflict(), 409),
        (errors.TooLarge(), 413),
        (RequestDataTooBig("secret detail"), 413),
        (exceptions.UnsupportedMediaType("text/plain"), 415),
        (errors.Invalid(), 422),
        (DataError("secret detail"), 422),
        (RecursionError("secret detail"), 422),
        (UnicodeEncodeError("utf-8", "secret detail", 0, 1, "surrogates"), 422),
        (errors.AccountExhausted(retry_after=timedelta(seconds=90)), 429),
        (exceptions.Throttled(wait=12.3), 429),
        (errors.ProviderFailed(), 502),
        (errors.Unavailable(), 503),
        (OperationalError("secret detail"), 503),
        (InterfaceError("secret detail"), 503),
        (PoolTimeout("secret detail"), 503),
        (RedisConnectionError("secret detail"), 503),
        (BrokerError("secret detail"), 503),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_every_error_has_its_status_and_a_sentence(error: Exception, status: int) -> None:
    response = answer_to(error)
    assert response.status_code == status
    assert set(response.data) == {"detail"}
    assert response.data["detail"].endswith((".", ")"))
    assert "secret detail" not in response.rendered_content.decode()


def test_what_is_unexpected_is_a_500_that_says_nothing() -> None:
    with structlog.contextvars.bound_contextvars(request_id="req-1234"):
        response = exception_handler(RuntimeError("sk_secret +15550100123"), {})
    assert response.status_code == 500
    assert response.data == {
        "detail": "Something went wrong on our side. Tell whoever runs this server the request id req-1234."
    }


def test_what_refers_to_what_was_deleted_meanwhile_is_a_conflict() -> None:
    error = IntegrityError("secret detail")
    error.__cause__ = ForeignKeyViolation()
    response = answer_to(error)
    assert response.status_code == 409
    assert response.data == {"detail": "What this refers to was deleted at the same moment. Look again, then decide."}


def test_a_401_says_how_to_authenticate() -> None:
    assert answer_to(exceptions.NotAuthenticated())["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (errors.AccountExhausted(retry_after=timedelta(seconds=89.1)), "90"),
        (errors.AccountExhausted(retry_after=timedelta(0)), "1"),
        (exceptions.Throttled(wait=12.3), "13"),
        (errors.Unavailable(), "5"),
    ],
)
def test_who_has_to_wait_is_told_how_long(error: Exception, seconds: str) -> None:
    assert answer_to(error)["Retry-After"] == seconds


def test_a_problem_names_the_fields() -> None:
    error = errors.Invalid("numbers: 1 of 2 is no phone number.", errors={"numbers.1": ("Not a number.",)})
    assert answer_to(error).data == {
        "detail": "numbers: 1 of 2 is no phone number.",
        "errors": {"numbers.1": ["Not a number."]},
    }


def test_validation_is_flattened_to_the_fields_of_the_body() -> None:
    class Recipient(serializers.Serializer[Any]):
        number = serializers.CharField()

    class Start(serializers.Serializer[Any]):
        workspace_id = serializers.IntegerField()
        recipients = Recipient(many=True)

    start = Start(data={"workspace_id": "x", "recipients": [{"number": "1"}, {}]})
    with pytest.raises(exceptions.ValidationError) as refused:
        start.is_valid(raise_exception=True)
    response = answer_to(refused.value)
    assert response.status_code == 422
    assert response.data["errors"] == {
        "workspace_id": ["A valid integer is required."],
        "recipients.1.number": ["This field is required."],
    }
    assert response.data["detail"] == "workspace_id: A valid integer is required. (1 more in errors.)"


def test_a_body_that_is_no_object_is_invalid_and_not_a_crash() -> None:
    class Anything(serializers.Serializer[Any]):
        name = serializers.CharField()

    with pytest.raises(exceptions.ValidationError) as refused:
        Anything(data=[1, 2]).is_valid(raise_exception=True)
    response = answer_to(refused.value)
    assert response.status_code == 422
    assert list(response.data["errors"]) == ["non_field_errors"]


def test_djangos_own_validation_is_422_too() -> None:
    assert answer_to(DjangoValidationError({"name": ["Too long."]})).data["errors"] == {"name": ["Too long."]}
    assert answer_to(DjangoValidationError("No.")).data == {"detail": "No.", "errors": {"non_field_errors": ["No."]}}


def test_lists_of_messages_blame_the_field_they_are_under() -> None:
    assert flatten({"a": ["1", "2"], "b": {"c": ["3"]}}) == {"a": ["1", "2"], "b.c": ["3"]}


def test_unknown_addresses_are_json_and_those_of_the_admin_a_page(client: Client, db: None) -> None:
    response = client.get("/nowhere")
    assert (response.status_code, response["Content-Type"]) == (404, "application/json")
    assert "detail" in json.loads(response.content)
    assert response["X-Request-ID"]
    page = client.get("/admin/nowhere/at/all/")
    assert page.status_code in {302, 404}
    assert "json" not in page.get("Content-Type", "")


@pytest.mark.parametrize("path", ["/auth/tokens/%00", "/auth/tokens/%ff%fe", "/auth/tokens/%ED%A0%80", "/%00"])
def test_a_path_that_no_id_could_be_is_not_found(path: str, owner: Any, client_for: Any) -> None:
    response = client_for(owner).delete(path)
    assert response.status_code in {404, 422}
    assert "detail" in json.loads(response.content)


def test_a_crash_outside_the_views_is_json_as_well(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise OperationalError("secret detail")

    monkeypatch.setattr("aispinner.core.health._sign_of", away)
    client.raise_request_exception = False
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    assert b"secret" not in response.content


@pytest.mark.parametrize(
    ("content_type", "status"), [("text/plain", 415), ("application/x-www-form-urlencoded", 415), ("", 415)]
)
def test_only_json_is_read(client: Client, content_type: str, status: int, db: None) -> None:
    assert client.generic("POST", "/auth/token", b"username=a", content_type=content_type).status_code == status


def test_an_unknown_method_names_the_known_ones(owner: Any, client_for: Any) -> None:
    client: APIClient = client_for(owner)
    response = client.put("/auth/tokens", {})
    assert response.status_code == 405
    assert "GET" in response["Allow"]
