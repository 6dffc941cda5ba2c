"""The one error every provider call can end in, and the three things it can mean."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum


class Answer(StrEnum):
    """What a failed request to a provider means for asking again."""

    REFUSED = "refused"  # asking again changes nothing
    NOT_DONE = "not_done"  # nothing happened yet: safe to ask again
    UNKNOWN = "unknown"  # it may have happened: look before asking again


class Reason(StrEnum):
    """Why, in our own words; these are also a run's `wait_reason`."""

    RATE_LIMITED = "rate_limited"
    NO_CAPACITY = "no_capacity"
    PROVIDER_BUSY = "provider_busy"
    PROVIDER_DOWN = "provider_down"
    QUOTA_EXHAUSTED = "quota_exhausted"
    KEY_REFUSED = "key_refused"
    NOT_ALLOWED = "not_allowed"  # the key is good, but this is beyond its permissions or the account's plan
    AGENT_MISSING = "agent_missing"
    NUMBER_MISSING = "number_missing"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    INVALID = "invalid"
    INTERNAL_ERROR = "internal_error"  # ours: something that nobody foresaw
    PBX_DOWN = "pbx_down"
    PBX_REFUSED = "pbx_refused"  # it does not take our credentials
    PBX_TAKEN = "pbx_taken"  # another program answers for the application's name there
    PBX_MISSING = "pbx_missing"  # the provider is no longer in the settings
    TRUNK_REFUSED = "trunk_refused"
    CALLS_BLOCKED = "calls_blocked"  # the network holds them for spam
    BRIDGE_DOWN = "bridge_down"  # no process that joins calls with agents


class ProviderError(Exception):
    """A provider did not do what was asked.

    Its text is ours and safe to show: never the provider's own words, which may hold numbers or keys.
    `code` is the provider's own machine word, where it gave one. `refused_recipients` are the places (from 0) in the
    request's recipients that the provider found fault with, where it said so: the others are without blame.
    """

    def __init__(
        self,
        *,
        answer: Answer,
        reason: Reason,
        status: int | None = None,
        retry_after: timedelta | None = None,
        request_id: str = "",
        code: str = "",
        refused_recipients: tuple[int, ...] = (),
    ) -> None:
        super().__init__(f"{answer.value}: {reason.value}" + (f" (HTTP {status})" if status else ""))
        self.answer = answer
        self.reason = reason
        self.status = status
        self.retry_after = retry_after
        self.request_id = request_id
        self.code = code
        self.refused_recipients = refused_recipients
