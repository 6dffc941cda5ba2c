"""What the accounts of several keys hold, put together: a key that fails hides nothing of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from integrations.elevenlabs.client import ElevenLabsClient
from integrations.elevenlabs.schemas import AgentSummary, PhoneNumber
from integrations.errors import ProviderError, Reason
from integrations.models import ElevenLabsKey, KeyStatus
from integrations.problems import problem_from, sentence_for
from integrations.services import mark_key_refused, mark_key_working

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class AccountNumber:
    """A number, and the key that showed it."""

    key: ElevenLabsKey
    number: PhoneNumber


@dataclass(frozen=True, kw_only=True)
class AccountAgent:
    """An agent, and the key that showed it."""

    key: ElevenLabsKey
    agent: AgentSummary


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A key that could not be asked."""

    key: ElevenLabsKey
    error: ProviderError


@dataclass(frozen=True, kw_only=True)
class Listed(Generic[T]):
    """What was found, and what could not be asked."""

    found: list[T] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def list_numbers(*, keys: Iterable[ElevenLabsKey]) -> Listed[AccountNumber]:
    """The numbers of every account behind `keys`. As `_merge`."""
    return _merge(keys, lambda key, client: [AccountNumber(key=key, number=n) for n in client.list_phone_numbers()])


def list_agents(*, keys: Iterable[ElevenLabsKey]) -> Listed[AccountAgent]:
    """The agents of every account behind `keys`. As `_merge`."""
    return _merge(keys, lambda key, client: [AccountAgent(key=key, agent=a) for a in client.list_agents()])


def shown_failure(failure: Failure) -> dict[str, Any]:
    """As clients see it."""
    return {
        "key_id": failure.key.pk,
        "title": failure.key.title,
        "last4": failure.key.last4,
        "detail": sentence_for(failure.error),
    }


def _merge(keys: Iterable[ElevenLabsKey], ask: Callable[[ElevenLabsKey, ElevenLabsClient], list[T]]) -> Listed[T]:
    """Each account asked once, with its newest key that works; 502 only where not one of them answered."""
    listed: Listed[T] = Listed()
    answered: set[int] = set()
    for key in sorted(keys, key=lambda key: (key.status != KeyStatus.WORKING, -key.pk)):
        if key.account_id in answered:
            continue
        try:
            listed.found.extend(ask(key, ElevenLabsClient(api_key=key.key)))
        except ProviderError as error:
            listed.failures.append(Failure(key=key, error=error))
            if error.reason is Reason.KEY_REFUSED and key.status == KeyStatus.WORKING:
                mark_key_refused(key_id=key.pk)
        else:
            answered.add(key.account_id)
            if key.status == KeyStatus.REFUSED:  # it was a passing fault, or the key was enabled again
                mark_key_working(key_id=key.pk)
    if listed.failures and not answered:
        raise problem_from(listed.failures[0].error)
    return listed
