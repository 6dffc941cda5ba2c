"""The errors the API answers with: a class for each status, each carrying a sentence that says what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from math import ceil

from rest_framework.exceptions import APIException


class Problem(APIException):
    """Answered as `{"detail": …}`, with `"errors": {field: [..]}` where fields are to blame.

    `detail` goes to the client as it is: never a phone number, a secret, or a provider's own words.
    """

    status_code = 400
    default_detail = "The request could not be carried out."
    default_code = "problem"

    def __init__(self, detail: str | None = None, *, errors: Mapping[str, Sequence[str]] | None = None) -> None:
        super().__init__(detail)
        self.sentence = detail or str(self.default_detail)
        self.errors = {field: list(sentences) for field, sentences in (errors or {}).items()}

    @property
    def headers(self) -> dict[str, str]:
        """Headers that belong to the answer."""
        return {}


class Malformed(Problem):
    """400: the body is not what its Content-Type says."""

    default_detail = "The body is not valid JSON."


class NotFound(Problem):
    """404: it does not exist, or the caller may not see it."""

    status_code = 404
    default_detail = "Not found. Check the address and the ids in it."


class Forbidden(Problem):
    """403: the caller may see it, but not do this to it."""

    status_code = 403
    default_detail = "Your role in this workspace does not allow this. Ask an owner of the workspace."


class Conflict(Problem):
    """409: it does not fit what is already there."""

    status_code = 409
    default_detail = "This conflicts with what is already there."


class Invalid(Problem):
    """422: understood, but wrong; `errors` says which field and why."""

    status_code = 422
    default_detail = "Some of the values are wrong."


class TooLarge(Problem):
    """413: more than the server takes in one request."""

    status_code = 413
    default_detail = "The request is too large. Send it in parts."


class AccountExhausted(Problem):
    """429: the provider's account takes no more for now; `retry_after` becomes the Retry-After header."""

    status_code = 429
    default_detail = "The ElevenLabs account is exhausted. Wait, or raise its limits."

    def __init__(self, detail: str | None = None, *, retry_after: timedelta) -> None:
        super().__init__(detail)
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        """Retry-After in whole seconds, at least one."""
        return {"Retry-After": str(max(1, ceil(self.retry_after.total_seconds())))}


class ProviderFailed(Problem):
    """502: a provider failed on a request that we passed on."""

    status_code = 502
    default_detail = "The provider did not answer as expected. Try again in a moment."


class Unavailable(Problem):
    """503: something that we need ourselves is away."""

    status_code = 503
    default_detail = "The server cannot reach its database or broker. Try again in a moment."

    @property
    def headers(self) -> dict[str, str]:
        """Retry-After: a restart takes a few seconds."""
        return {"Retry-After": "5"}
