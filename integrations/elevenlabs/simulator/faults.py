"""Faults on order: rules that make chosen requests, dials and webhooks go wrong, seeded and counted."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

from integrations.simulating import Counted

from .diary import Diary
from .errors import (
    ApiError,
    concurrent_limit,
    current_form,
    invalid_parameters,
    legacy_form,
    missing_permission,
    wrong_key,
)

Json = dict[str, Any]
Scope = Literal["request", "dial", "webhook"]

FAULTS: dict[str, tuple[Scope, str]] = {
    "rate_limit_exceeded": ("request", "429, too many requests on this endpoint"),
    "concurrent_limit_exceeded": ("request", "429, the account's concurrency is full (current form)"),
    "too_many_concurrent_requests": ("request", "429, the same in the legacy form {status, message}"),
    "system_busy": ("request", "429, the provider is overloaded"),
    "insufficient_credits": ("request", "402, out of credits"),
    "quota_exceeded": ("request", "401, out of credits in the legacy form"),
    "key_refused": ("request", "401, Invalid API key"),
    "missing_permissions": ("request", "401, the key lacks convai_write"),
    "internal_error": ("request", "500; `when`: before or after the request was carried out"),
    "service_unavailable": ("request", "503; `when`: before or after the request was carried out"),
    "hold": (
        "request",
        "the answer comes `seconds` late, for clients to time out; `when` before: nothing is done and 500 follows; "
        "after: the request is carried out at once, its answer held",
    ),
    "slow": ("request", "the request is carried out after `seconds`, then answered as usual"),
    "cut_off": ("request", "the connection breaks in the middle of the answer; `when`: before or after"),
    "call_refused": ("request", "outbound-call only: 200 with success=false and no conversation_id"),
    "out_of_credits": ("dial", "accepted, then failed at start without dialling: metadata.error code 3000"),
    "daily_limit": ("dial", "accepted, then failed at start without dialling: metadata.error code 4300"),
    "credits_mid_call": ("dial", "answered, then cut off: metadata.error code 1002"),
    "webhook_dropped": ("webhook", "never sent"),
    "webhook_doubled": ("webhook", "sent twice"),
    "webhook_delayed": ("webhook", "sent up to `seconds` late, each by its own time, so that they arrive shuffled"),
}


@dataclass(kw_only=True)
class Rule(Counted):
    """One line of an order. Seconds are real ones. A rule out of `times` never fires again."""

    id: str
    fault: str
    endpoint: str = "*"
    when: Literal["before", "after"] = "before"
    seconds: float = 5.0
    retry_after: float | None = None
    account: str | None = None
    key_prefix: str | None = None
    number: str | None = None

    @property
    def scope(self) -> Scope:
        return FAULTS[self.fault][0]

    def error(self, *, limit: int) -> ApiError | None:
        """The answer this rule gives instead of the usual one; None where it changes something else."""
        build = _ANSWERS.get(self.fault)
        if build is None:
            return None
        error = build(limit)
        if self.retry_after is not None:
            error.headers["Retry-After"] = f"{self.retry_after:g}"
        return error


def _rate_limited(_limit: int) -> ApiError:
    message = "You have made too many requests in a short time. Please try again later."
    return current_form(429, "rate_limit_error", "rate_limit_exceeded", message)


def _legacy_concurrent(limit: int) -> ApiError:
    message = (
        "Too many concurrent requests. Your current subscription is associated with a maximum of "
        f"{limit} concurrent requests (running in parallel)."
    )
    return legacy_form(429, "too_many_concurrent_requests", message)


def _busy(_limit: int) -> ApiError:
    message = "We are experiencing high load at the moment. Please try again."
    return current_form(429, "rate_limit_error", "system_busy", message)


def _no_credits(_limit: int) -> ApiError:
    message = "You have insufficient credits to perform this request."
    return current_form(402, "payment_required", "insufficient_credits", message)


def _quota(_limit: int) -> ApiError:
    return legacy_form(401, "quota_exceeded", "This request exceeds your quota limit.")


def server_error(_limit: int = 0) -> ApiError:
    return current_form(500, "internal_error", "internal_error", "An internal error occurred.")


def _unavailable(_limit: int) -> ApiError:
    message = "The service is temporarily unavailable."
    return current_form(503, "service_unavailable", "service_unavailable", message)


_ANSWERS: dict[str, Callable[[int], ApiError]] = {
    "rate_limit_exceeded": _rate_limited,
    "concurrent_limit_exceeded": concurrent_limit,
    "too_many_concurrent_requests": _legacy_concurrent,
    "system_busy": _busy,
    "insufficient_credits": _no_credits,
    "quota_exceeded": _quota,
    "key_refused": lambda _limit: wrong_key(),
    "missing_permissions": lambda _limit: missing_permission("convai_write"),
    "internal_error": server_error,
    "service_unavailable": _unavailable,
}

_TYPES: dict[str, tuple[type, ...]] = {
    "id": (str,),
    "fault": (str,),
    "endpoint": (str,),
    "when": (str,),
    "times": (int, type(None)),
    "probability": (int, float),
    "skip": (int,),
    "seconds": (int, float),
    "retry_after": (int, float, type(None)),
    "account": (str, type(None)),
    "key_prefix": (str, type(None)),
    "number": (str, type(None)),
}


def parse_rules(body: Any) -> list[Rule]:
    """Rules from `{"rules": [...]}` or a bare list; ApiError 400 naming what is wrong."""
    rules = body.get("rules") if isinstance(body, dict) else body
    if not isinstance(rules, list):
        raise invalid_parameters('Send {"rules": [{"fault": ..., "endpoint": ...}]}; an empty list clears.')
    return [_parse_rule(rule, position) for position, rule in enumerate(rules, start=1)]


def _parse_rule(given: Any, position: int) -> Rule:
    if not isinstance(given, dict) or given.get("fault") not in FAULTS:
        raise invalid_parameters(f"Rule {position}: `fault` must be one of {', '.join(FAULTS)}.")
    for key, value in given.items():
        if key not in _TYPES or not isinstance(value, _TYPES[key]) or isinstance(value, bool):
            raise invalid_parameters(f"Rule {position}: `{key}` is unknown or of the wrong type.")
    if given.get("when", "before") not in ("before", "after"):
        raise invalid_parameters(f"Rule {position}: `when` must be before or after.")
    if not 0 <= given.get("probability", 1) <= 1:
        raise invalid_parameters(f"Rule {position}: `probability` must be from 0 to 1.")
    return Rule(**{"id": f"rule_{position}", **given})


class Faults:
    """The rules in force. The first rule that fires on an event wins; probabilities are drawn from the seed."""

    def __init__(self, seed: int, diary: Diary) -> None:
        self.rules: list[Rule] = []
        self._seed = seed
        self._diary = diary
        self._rngs: dict[str, random.Random] = {}

    def replace(self, rules: list[Rule]) -> None:
        self.rules = rules
        self._rngs = {
            rule.id: random.Random(f"{self._seed}:fault:{position}:{rule.fault}:{rule.seen or ''}")  # noqa: S311
            for position, rule in enumerate(rules)
        }
        self._keep()

    def _keep(self) -> None:
        self._diary.write(("orders", "rules", [vars(rule) for rule in self.rules]))

    def _strikes(self, rule: Rule) -> bool:
        strikes = rule.strikes(self._rngs[rule.id])
        if strikes:
            self._keep()
        return strikes

    def for_request(self, *, endpoint: str, route: str, account: str, key: str) -> Rule | None:
        """The fault of this request: `endpoint` is its name, `route` its method and path template."""
        for rule in self.rules:
            if rule.scope != "request" or not self._fits(rule, account=account):
                continue
            if not (fnmatchcase(endpoint, rule.endpoint) or fnmatchcase(route, rule.endpoint)):
                continue
            if rule.key_prefix is not None and not key.startswith(rule.key_prefix):
                continue
            if self._strikes(rule):
                return rule
        return None

    def for_dial(self, *, account: str, number: str) -> Rule | None:
        for rule in self.rules:
            if rule.scope != "dial" or not self._fits(rule, account=account):
                continue
            if rule.number is not None and rule.number != number:
                continue
            if self._strikes(rule):
                return rule
        return None

    def for_webhook(self, *, account: str, kind: str) -> list[tuple[Rule, random.Random]]:
        """Every fault of this webhook (doubled and delayed may meet); `kind` is its payload type."""
        return [
            (rule, self._rngs[rule.id])
            for rule in self.rules
            if rule.scope == "webhook"
            and self._fits(rule, account=account)
            and fnmatchcase(kind, rule.endpoint)
            and self._strikes(rule)
        ]

    @staticmethod
    def _fits(rule: Rule, *, account: str) -> bool:
        return rule.account is None or rule.account == account
