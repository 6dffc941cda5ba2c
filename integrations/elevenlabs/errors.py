"""What an error answer of ElevenLabs means, read from its type, code, legacy status and HTTP status together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from integrations.errors import Answer, ProviderError, Reason
from integrations.http import Reply, Request, lost, retry_after

_WORD = re.compile(r"[a-z_]{1,64}\Z")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")

# The provider's words, most telling first: one fault comes under several HTTP statuses (a wrong key as 400 or 401).
_BY_WORD = MappingProxyType(
    {
        "quota_exceeded": (Answer.REFUSED, Reason.QUOTA_EXHAUSTED),
        "insufficient_credits": (Answer.REFUSED, Reason.QUOTA_EXHAUSTED),
        "payment_required": (Answer.REFUSED, Reason.QUOTA_EXHAUSTED),
        "concurrent_limit_exceeded": (Answer.NOT_DONE, Reason.NO_CAPACITY),
        "too_many_concurrent_requests": (Answer.NOT_DONE, Reason.NO_CAPACITY),
        "system_busy": (Answer.NOT_DONE, Reason.PROVIDER_BUSY),
        "rate_limit_exceeded": (Answer.NOT_DONE, Reason.RATE_LIMITED),
        "rate_limit_error": (Answer.NOT_DONE, Reason.RATE_LIMITED),
        "missing_permissions": (Answer.REFUSED, Reason.NOT_ALLOWED),
        "invalid_api_key": (Answer.REFUSED, Reason.KEY_REFUSED),
        "authentication_error": (Answer.REFUSED, Reason.KEY_REFUSED),
        "authorization_error": (Answer.REFUSED, Reason.NOT_ALLOWED),
        "agent_not_found": (Answer.REFUSED, Reason.AGENT_MISSING),
        "phone_number_not_found": (Answer.REFUSED, Reason.NUMBER_MISSING),
        "not_found": (Answer.REFUSED, Reason.NOT_FOUND),
        "concurrent_modification": (Answer.NOT_DONE, Reason.PROVIDER_BUSY),
        "conflict": (Answer.REFUSED, Reason.CONFLICT),
        "validation_error": (Answer.REFUSED, Reason.INVALID),
        "invalid_request": (Answer.REFUSED, Reason.INVALID),
    }
)
_BY_STATUS = MappingProxyType(
    {
        401: (Answer.REFUSED, Reason.KEY_REFUSED),
        402: (Answer.REFUSED, Reason.QUOTA_EXHAUSTED),
        403: (Answer.REFUSED, Reason.NOT_ALLOWED),
        404: (Answer.REFUSED, Reason.NOT_FOUND),
        409: (Answer.REFUSED, Reason.CONFLICT),
        429: (Answer.NOT_DONE, Reason.RATE_LIMITED),
    }
)


@dataclass(frozen=True, kw_only=True)
class _Fault:
    """The machine-readable part of an error body; its sentences are never kept, they may hold numbers or keys."""

    words: frozenset[str] = frozenset()
    code: str = ""
    request_id: str = ""
    refused_recipients: tuple[int, ...] = ()


def provider_error(request: Request, reply: Reply) -> ProviderError:
    """The error that `reply`, whose status is not 2xx, stands for."""
    fault = _read(reply)
    meaning = None
    if 400 <= reply.status < 500:
        meaning = next((_BY_WORD[word] for word in _BY_WORD if word in fault.words), None)
        meaning = meaning or _BY_STATUS.get(reply.status)
        if meaning is None and reply.status != 408:  # 408: it gave up waiting, we cannot tell how far it had come
            meaning = (Answer.REFUSED, Reason.INVALID)
    if meaning is None:  # 5xx, a redirect, nonsense: it may have been carried out all the same
        unsure = lost(request)
        meaning = (unsure.answer, unsure.reason)
    return ProviderError(
        answer=meaning[0],
        reason=meaning[1],
        status=reply.status,
        retry_after=retry_after(reply.headers),
        request_id=fault.request_id,
        code=fault.code,
        refused_recipients=fault.refused_recipients if meaning[1] is Reason.INVALID else (),
    )


def _read(reply: Reply) -> _Fault:
    try:
        body = reply.json()
    except ValueError:
        body = None
    detail = body.get("detail") if isinstance(body, dict) else None
    trace = _matching(_REQUEST_ID, reply.headers.get("x-trace-id"))
    if isinstance(detail, list):
        return _Fault(refused_recipients=_recipients_named(detail), request_id=trace)
    if not isinstance(detail, dict):
        return _Fault(request_id=trace)
    kind, code, status = (_matching(_WORD, detail.get(name)) for name in ("type", "code", "status"))
    return _Fault(
        words=frozenset({kind, code, status} - {""}),
        code=status or code or kind,
        request_id=_matching(_REQUEST_ID, detail.get("request_id")) or trace,
    )


def _matching(pattern: re.Pattern[str], value: Any) -> str:
    return value if isinstance(value, str) and pattern.match(value) else ""


def _recipients_named(problems: list[Any]) -> tuple[int, ...]:
    """Places in `recipients` that a 422 names (`loc: ["body", "recipients", 3, "phone_number"]`).

    Empty as soon as one problem lies elsewhere: then leaving those recipients out would not help.
    """
    places = set()
    for problem in problems:
        loc = problem.get("loc") if isinstance(problem, dict) else None
        if not isinstance(loc, list) or loc[:2] != ["body", "recipients"] or len(loc) < 3 or type(loc[2]) is not int:
            return ()
        places.add(loc[2])
    return tuple(sorted(places))
