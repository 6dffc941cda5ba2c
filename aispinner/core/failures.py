"""From any exception to the one JSON shape: what is answered, and what is written to the log (ids only)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.signals import got_request_exception
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404, UnreadablePostError
from kombu.exceptions import OperationalError as BrokerError
from psycopg.errors import ForeignKeyViolation
from psycopg_pool import PoolTimeout
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import set_rollback

from aispinner.core.errors import Problem, Unavailable
from aispinner.core.logs import where

log = structlog.get_logger(__name__)

AWAY = (OperationalError, InterfaceError, PoolTimeout, RedisConnectionError, RedisTimeoutError, BrokerError)

# What a value can do that no check expected: too large for its column, NUL or half a character in text, too deep.
UNUSABLE = (DataError, OverflowError, UnicodeError, RecursionError)

_DRF = {
    exceptions.NotAuthenticated: "Send your token as `Authorization: Bearer <token>`. POST /auth/token makes one.",
    exceptions.ParseError: "The body is not valid JSON.",
    exceptions.NotAcceptable: "Only application/json can be answered here. Check the Accept header.",
    exceptions.PermissionDenied: "You may not do this.",
}
_DJANGO = {  # the first that fits
    Http404: (404, "Not found. Check the address and the ids in it."),
    PermissionDenied: (403, "You may not do this."),
    RequestDataTooBig: (413, "The request is too large. Send it in parts."),
    SuspiciousOperation: (400, "The request is not valid. Check its address and headers."),
    UnreadablePostError: (400, "The connection ended before the whole body had arrived. Send it again."),
}


def exception_handler(error: Exception, context: Mapping[str, Any] | None = None) -> Response:
    """The answer to `error`: always `{"detail": …}`, perhaps with `errors`. DRF calls it for every view."""
    set_rollback()
    return answer_to(error) or _unknown(error, context or {})


def request_id() -> str:
    """The id of the request being answered, as in its X-Request-ID header; empty outside of one."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def _answer(
    code: int,
    detail: str,
    *,
    errors: Mapping[str, list[str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    body: dict[str, Any] = {"detail": detail}
    if errors:
        body["errors"] = errors
    return Response(body, status=code, headers=headers)


def answer_to(error: Exception) -> Response | None:
    """The answer to an error that means something to the client; None where it is a fault of ours."""
    if isinstance(error, Problem):
        return _from_problem(error)
    if isinstance(error, exceptions.ValidationError):
        return invalid(flatten(error.detail))
    if isinstance(error, DjangoValidationError):
        return invalid(flatten(error.message_dict if hasattr(error, "error_dict") else error.messages))
    if isinstance(error, exceptions.APIException):
        return _from_drf(error)
    return _from_django(error)


def _from_problem(error: Problem) -> Response:
    return _answer(error.status_code, error.sentence, errors=error.errors, headers=error.headers)


def _from_drf(error: exceptions.APIException) -> Response:
    detail = _DRF.get(type(error), str(error.detail))
    if isinstance(error, (exceptions.NotAuthenticated, exceptions.AuthenticationFailed)):
        return _answer(status.HTTP_401_UNAUTHORIZED, detail, headers={"WWW-Authenticate": "Bearer"})
    if isinstance(error, exceptions.Throttled):
        seconds = str(max(1, ceil(getattr(error, "wait", None) or 1)))
        sentence = f"Too many requests. Try again in {seconds} seconds."
        return _answer(error.status_code, sentence, headers={"Retry-After": seconds})
    return _answer(error.status_code, detail)


def _from_django(error: Exception) -> Response | None:
    for kind, (code, sentence) in _DJANGO.items():
        if isinstance(error, kind):
            return _answer(code, sentence)
    if isinstance(error, AWAY):
        log.warning("needed_service_away", error=type(error).__name__, where=where(error))
        return _from_problem(Unavailable())
    if isinstance(error, IntegrityError) and isinstance(error.__cause__, ForeignKeyViolation):
        return _answer(409, "What this refers to was deleted at the same moment. Look again, then decide.")
    if isinstance(error, UNUSABLE):
        log.warning("unusable_value", error=type(error).__name__, where=where(error))
        return _answer(422, "A value in the request is out of range, or text that cannot be stored. Check it.")
    return None


def _unknown(error: Exception, context: Mapping[str, Any]) -> Response:
    request = context.get("request")
    if request is None:
        log.error("unexpected_error", error=type(error).__name__, where=where(error))
    else:
        # The middleware listens, and logs it; so does Django's test client, which raises the exception in the test.
        got_request_exception.send(sender=None, request=getattr(request, "_request", request))
    return failed()


def failed() -> Response:
    """The 500 answer: nothing of the cause, only the id under which it is logged."""
    named = f" Tell whoever runs this server the request id {request_id()}." if request_id() else ""
    return _answer(500, f"Something went wrong on our side.{named}")


def invalid(errors: dict[str, list[str]]) -> Response:
    """The 422 answer for `errors`; its detail is the first of them."""
    field, sentences = next(iter(errors.items()), ("", ["Some of the values are wrong."]))
    shown = sentences[0] if field in {"", "non_field_errors"} else f"{field}: {sentences[0]}"
    more = sum(len(each) for each in errors.values()) - 1
    return _answer(422, shown + (f" ({more} more in errors.)" if more > 0 else ""), errors=errors)


def flatten(detail: object) -> dict[str, list[str]]:
    """DRF's nested messages as `{"recipients.3.number": ["…"]}`; what blames no field is under `non_field_errors`."""
    found: dict[str, list[str]] = {}
    for path, sentence in _leaves(detail, path=()):
        found.setdefault(".".join(path) or "non_field_errors", []).append(sentence)
    return found


def _leaves(detail: object, *, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(detail, Mapping):
        for key, value in detail.items():
            step = () if key == "non_field_errors" and path else (str(key),)
            yield from _leaves(value, path=path + step)
    elif isinstance(detail, (list, tuple)):
        for position, value in enumerate(detail):
            nested = isinstance(value, (Mapping, list, tuple))
            yield from _leaves(value, path=(*path, str(position)) if nested else path)
    else:
        yield path, str(detail)
