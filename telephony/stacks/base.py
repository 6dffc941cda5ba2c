"""What a voice stack offers the dialer. Nothing in `dialer/` knows which one it has."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from integrations.calls import CallReport
from integrations.errors import ProviderError


@dataclass(frozen=True, kw_only=True)
class Item:
    """One call of an order; `ended` and `settled` say what is known of it already."""

    call_id: str
    number: str = field(repr=False)
    variables: Mapping[str, Any] = field(default_factory=dict, repr=False)
    conversation_id: str | None = None
    dispatched: bool = False
    ended: bool = False
    settled: bool = False


@dataclass(frozen=True, kw_only=True)
class Order:
    """A chunk as a stack needs it: ids, credentials and calls."""

    chunk_id: int
    key: str
    external_id: str
    secret: str = field(repr=False)
    agent_id: str
    phone_provider_id: int | None
    provider_id: str  # which of the workspace's providers, where the stack has several
    account_id: int
    api_key_id: int | None
    submitted_at: datetime
    items: tuple[Item, ...]


class Trace(StrEnum):
    """What a lookup of a submission with unknown end has found."""

    FOUND = "found"
    NO_TRACE = "no_trace"  # not there now: to be asked once more, later
    NEVER_DIALLED = "never_dialled"  # proven
    CANNOT_KNOW = "cannot_know"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`external_id` where found."""

    trace: Trace
    external_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Poll:
    """What the provider says of an order's calls, by our call id; `gone` when it no longer knows the order.

    `error` is why nothing was learned of some of them; what was learned of the others stands.
    """

    reports: Mapping[str, CallReport]
    gone: bool = False
    error: ProviderError | None = None


class Stack(Protocol):
    """Places calls. Every method may raise `integrations.errors.ProviderError`."""

    can_hang_up: bool
    can_hear_ends: bool

    def prepare(self, order: Order) -> None:
        """Make sure that everything a submission needs is there; never dials."""

    def submit(self, order: Order) -> str:
        """Hand all calls of the order over, once. Returns the provider's id for it."""

    def find(self, order: Order) -> Finding:
        """Whether a submission with unknown end has arrived."""

    def poll(self, order: Order) -> Poll:
        """What has become of the calls that are not settled."""

    def over(self, secret: str, *, since: datetime) -> Collection[str]:
        """Conversations of an account, begun `since` then, that are over and that it has not told of yet.

        Asked only where `can_hear_ends`, and several times a second: in one request, or two.
        """

    def read(self, secret: str, conversations: Sequence[str]) -> Poll:
        """What became of these, by conversation."""

    def cancel(self, order: Order) -> None:
        """Take back what has not been dialled yet."""

    def hang_up(self, order: Order) -> None:
        """End the calls that are up; asked only where `can_hang_up`, and more than once."""
