"""What ElevenLabs answers, as small values: extra fields and unknown words pass, a missing required field does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from integrations.errors import Answer, ProviderError, Reason

Json = Mapping[str, Any]


def unreadable() -> ProviderError:
    """The provider said yes, but not what we need to know: what was asked for may have happened."""
    return ProviderError(answer=Answer.UNKNOWN, reason=Reason.INVALID)


def mapping(value: Any) -> dict[str, Any]:
    """`value` if it is an object, else a ProviderError."""
    if not isinstance(value, dict):
        raise unreadable()
    return value


def items(value: Any) -> list[dict[str, Any]]:
    """`value` if it is a list of objects, else a ProviderError."""
    if not isinstance(value, list):
        raise unreadable()
    return [mapping(item) for item in value]


def required_text(data: Json, name: str) -> str:
    """A text that must be there and not empty."""
    value = data.get(name)
    if not isinstance(value, str) or not value:
        raise unreadable()
    return value


def text(data: Json, name: str) -> str:
    """A text that may be missing or null."""
    value = data.get(name)
    return value if isinstance(value, str) else ""


def number(data: Json, name: str) -> float:
    """A finite number that may be missing or null, or written as text."""
    value = data.get(name)
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return 0
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e15:
        return 0
    return value


def moment(data: Json, name: str) -> datetime | None:
    """Unix seconds; None where missing, zero or beyond what a clock shows."""
    seconds = number(data, name)
    if not 0 < seconds < 32_503_680_000:  # the year 3000
        return None
    return datetime.fromtimestamp(seconds, tz=UTC)


def _required_moment(data: Json, name: str) -> datetime:
    value = moment(data, name)
    if value is None:
        raise unreadable()
    return value


@dataclass(frozen=True, kw_only=True)
class OutgoingRecipient:
    """One number of a batch; `id` and `user_id` are ours and come back with the conversation."""

    id: str
    phone_number: str
    user_id: str
    dynamic_variables: Mapping[str, str | int | float | bool] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """As it goes out."""
        return {
            "id": self.id,
            "phone_number": self.phone_number,
            "conversation_initiation_client_data": {
                "user_id": self.user_id,
                "dynamic_variables": dict(self.dynamic_variables),
            },
        }


@dataclass(frozen=True, kw_only=True)
class BatchRecipient:
    """How far a batch has come with one number. `status` is the provider's word."""

    id: str
    status: str
    conversation_id: str | None = None
    phone_number: str = ""
    user_id: str = ""
    updated_at: datetime | None = None

    @classmethod
    def parse(cls, data: Json) -> Self:
        client_data = data.get("conversation_initiation_client_data")
        return cls(
            id=required_text(data, "id"),
            status=required_text(data, "status"),
            conversation_id=text(data, "conversation_id") or None,
            phone_number=text(data, "phone_number"),
            user_id=text(client_data, "user_id") if isinstance(client_data, dict) else "",
            updated_at=moment(data, "updated_at_unix"),
        )


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A batch; `recipients` is empty in lists and in the answer to a submit. `name` is the `call_name` it was given."""

    id: str
    name: str
    agent_id: str
    status: str
    created_at: datetime
    recipients: tuple[BatchRecipient, ...] = ()

    @classmethod
    def parse(cls, data: Json) -> Self:
        return cls(
            id=required_text(data, "id"),
            name=text(data, "name"),
            agent_id=text(data, "agent_id"),
            status=required_text(data, "status"),
            created_at=_required_moment(data, "created_at_unix"),
            recipients=tuple(BatchRecipient.parse(item) for item in items(data.get("recipients") or [])),
        )


@dataclass(frozen=True, kw_only=True)
class ConversationSummary:
    """A line of the conversations list."""

    conversation_id: str
    agent_id: str
    status: str
    started_at: datetime | None
    duration_sec: int
    direction: str = ""

    @classmethod
    def parse(cls, data: Json) -> Self:
        return cls(
            conversation_id=required_text(data, "conversation_id"),
            agent_id=text(data, "agent_id"),
            status=required_text(data, "status"),
            started_at=moment(data, "start_time_unix_secs"),
            duration_sec=max(0, round(number(data, "call_duration_secs"))),
            direction=text(data, "direction"),
        )


@dataclass(frozen=True, kw_only=True)
class PhoneNumber:
    """A number registered at the account; `provider` is `twilio`, `sip_trunk` or another of the provider's words."""

    id: str
    phone_number: str
    label: str
    provider: str
    agent_id: str = ""
    agent_name: str = ""
    sip_address: str = ""
    sip_username: str = ""

    @classmethod
    def parse(cls, data: Json) -> Self:
        agent = data.get("assigned_agent")
        agent = agent if isinstance(agent, dict) else {}
        trunk = data.get("outbound_trunk") or data.get("provider_config")
        trunk = trunk if isinstance(trunk, dict) else {}
        return cls(
            id=required_text(data, "phone_number_id"),
            phone_number=required_text(data, "phone_number"),
            label=text(data, "label"),
            provider=text(data, "provider") or "twilio",  # the schema's default
            agent_id=text(agent, "agent_id"),
            agent_name=text(agent, "agent_name"),
            sip_address=text(trunk, "address"),
            sip_username=text(trunk, "username"),
        )


@dataclass(frozen=True, kw_only=True)
class AgentSummary:
    """A line of the agents list."""

    id: str
    name: str
    created_at: datetime | None = None
    last_call_at: datetime | None = None
    archived: bool = False
    tags: tuple[str, ...] = ()

    @classmethod
    def parse(cls, data: Json) -> Self:
        tags = data.get("tags")
        return cls(
            id=required_text(data, "agent_id"),
            name=text(data, "name"),
            created_at=moment(data, "created_at_unix_secs"),
            last_call_at=moment(data, "last_call_time_unix_secs"),
            archived=data.get("archived") is True,
            tags=tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
        )


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """What of a subscription matters here."""

    tier: str
    status: str

    @classmethod
    def parse(cls, data: Json) -> Self:
        return cls(
            tier=required_text(data, "tier"),
            status=text(data, "status"),
        )


@dataclass(frozen=True, kw_only=True)
class AccountInfo:
    """Whose key it is; `tier` is empty where the key may not read it."""

    external_id: str
    tier: str = ""
    credits_used: int | None = None
    credits_limit: int | None = None

    @classmethod
    def parse(cls, data: Json) -> Self:
        found = data.get("subscription")
        subscription = found if isinstance(found, dict) else {}
        return cls(
            external_id=text(data, "workspace_id") or required_text(data, "user_id"),
            tier=text(subscription, "tier"),
            credits_used=_credits(subscription, "character_count"),
            credits_limit=_credits(subscription, "character_limit"),
        )


def _credits(subscription: Json, name: str) -> int | None:
    value = subscription.get(name)
    return value if isinstance(value, int) and 0 <= value < 2**63 else None


@dataclass(frozen=True, kw_only=True)
class PlacedCall:
    """The answer to a single outbound call. `success` may be false, and a conversation may exist all the same."""

    success: bool
    conversation_id: str | None

    @classmethod
    def parse(cls, data: Json) -> Self:
        if not isinstance(data.get("success"), bool):
            raise unreadable()
        return cls(
            success=data["success"],
            conversation_id=text(data, "conversation_id") or None,
        )


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """A webhook of the account. The secret is given only once, in the answer to its creation."""

    id: str
    url: str = ""
    name: str = ""
    is_disabled: bool = False
    secret: str = field(default="", repr=False)

    @classmethod
    def parse(cls, data: Json) -> Self:
        return cls(
            id=required_text(data, "webhook_id"),
            url=text(data, "webhook_url"),
            name=text(data, "name"),
            is_disabled=data.get("is_disabled") is True or data.get("is_auto_disabled") is True,
            secret=text(data, "webhook_secret"),
        )


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page of a list and what asks for the next; `cursor` is None on the last."""

    items: Sequence[dict[str, Any]]
    cursor: str | None

    @classmethod
    def parse(cls, data: Any, *, items_name: str, cursor_name: str) -> Self:
        data = mapping(data)
        cursor = text(data, cursor_name) or None
        if data.get("has_more") is True and cursor is None:
            raise unreadable()  # the rest is out of reach: as good as no answer
        if data.get("has_more") is False:
            cursor = None
        return cls(items=items(data.get(items_name)), cursor=cursor)
