"""The world's state: accounts with agents, numbers, webhooks, batches and conversations, and the ledger of dials."""

from __future__ import annotations

import random
import secrets
import string
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import IO, Any, Literal

import orjson

from .config import SimulatorConfig
from .seeding import seeded_agents, seeded_phone_numbers
from .stories import Script, Story, Turn

Json = dict[str, Any]
RecipientStatus = Literal[
    "pending", "dispatched", "initiated", "in_progress", "completed", "failed", "cancelled", "voicemail"
]
ConversationStatus = Literal["initiated", "in-progress", "processing", "done", "failed"]
_ALPHABET = string.digits + string.ascii_lowercase


def new_id(prefix: str, length: int = 28) -> str:
    """An opaque id in the provider's style. Random, not seeded: two lives of one world must not share ids."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(length))


@dataclass
class Webhook:
    """A workspace webhook. `secret` was shown once, when it was created."""

    webhook_id: str
    name: str
    url: str
    secret: str
    created_at: int
    request_headers: dict[str, str] = field(default_factory=dict)
    events: list[str] | None = None
    retry_enabled: bool = False
    is_disabled: bool = False
    is_auto_disabled: bool = False
    last_failure_code: int | None = None
    last_failure_at: int | None = None
    last_success_at: float | None = None
    failures_in_a_row: int = 0


@dataclass
class Recipient:
    """One number of a batch. `id` is the client's where one was given."""

    id: str
    number: str
    client_data: Json | None
    created_at: float
    updated_at: float
    place: int = 0
    status: RecipientStatus = "pending"
    conversation_id: str | None = None
    dispatched_at: float | None = None

    def move(self, status: RecipientStatus) -> None:
        self.status = status
        self.updated_at = time.time()


@dataclass
class Batch:
    """One submit. Equal submits are two batches."""

    id: str
    body: Json
    agent_name: str
    phone: Json
    created_at: float
    recipients: list[Recipient]
    scheduled_at: float
    target_limit: int | None = None
    retry_count: int = 0
    dispatched: int = 0
    finished: int = 0
    in_flight: int = 0
    cancelled: bool = False
    broken: bool = False
    updated_at: float = 0.0
    pending: deque[Recipient] = field(default_factory=deque)

    @property
    def status(self) -> str:
        if self.cancelled:
            return "cancelled"
        if self.broken:
            return "failed"
        if self.dispatched == 0:
            return "pending"
        if self.pending or self.in_flight:
            return "in_progress"
        return "completed"

    @property
    def ringing_timeout(self) -> int:
        return int(self.body["telephony_call_config"]["ringing_timeout_secs"])


@dataclass
class LedgerEntry:
    """One dial *placed*. Times are real Unix seconds; `ended_at` and `outcome` are filled when it ends.

    `dispatched_at` is when it was decided: a moment before it is placed, and not to be taken back from then on.
    """

    seq: int
    account: str
    number: str
    recipient_id: str | None
    batch_id: str | None
    conversation_id: str
    requested_at: float
    dispatched_at: float
    placed_at: float
    ended_at: float | None = None
    outcome: str | None = None


@dataclass
class Conversation:
    """One call with everything that a GET shows; `story` was decided before it was placed.

    `due` are the steps it has still to take: when (real Unix seconds), and with what.

    A conversation over the socket has no `number` and an empty `phone`, but a `source`, and `sound`: 16 kHz PCM.
    """

    id: str
    seq: int
    agent: Json
    number: str
    phone: Json
    client_data: Json
    story: Story
    requested_at: float
    started_at: float
    ringing_timeout: int = 60
    direction: str = "outbound"
    batch: Batch | None = None
    recipient: Recipient | None = None
    status: ConversationStatus = "initiated"
    call_sid: str = ""
    carrier_id: str = ""
    accepted_at: float | None = None
    ended_at: float | None = None
    duration: int = 0
    error: Json | None = None
    call_result: str | None = None
    termination_reason: str = ""
    turns: list[Turn] = field(default_factory=list)
    title: str | None = None
    summary: str | None = None
    source: str = ""
    authorization: str = "authorization_header"
    text_only: bool = False
    sound: bytes | None = None
    ledger: LedgerEntry | None = None
    due: dict[str, tuple[float, list[Any]]] = field(default_factory=dict)

    @property
    def agent_id(self) -> str:
        return str(self.agent["agent_id"])

    @property
    def user_id(self) -> str | None:
        user = self.client_data.get("user_id")
        return str(user) if user is not None else None

    @property
    def has_audio(self) -> bool:
        record = self.agent["platform_settings"]["privacy"]["record_voice"]
        ended = self.status in ("processing", "done", "failed")
        return bool(record and ended and self.duration > 0 and self.turns and not self.text_only)


@dataclass
class Account:
    """One customer's workspace: a world of its own."""

    name: str
    limit: int
    tier: str = "enterprise"
    created_at: float = field(default_factory=time.time)
    agents: dict[str, Json] = field(default_factory=dict)
    phone_numbers: dict[str, Json] = field(default_factory=dict)
    webhooks: dict[str, Webhook] = field(default_factory=dict)
    settings: Json = field(default_factory=dict)
    batches: dict[str, Batch] = field(default_factory=dict)
    conversations: dict[str, Conversation] = field(default_factory=dict)
    conversations_by_user: dict[str, list[Conversation]] = field(default_factory=dict)
    in_flight: int = 0
    max_in_flight: int = 0
    agent_in_flight: dict[str, int] = field(default_factory=dict)
    dialled_today: dict[tuple[str, int], int] = field(default_factory=dict)
    agent_last_call: dict[str, int] = field(default_factory=dict)
    open_batches: deque[Batch] = field(default_factory=deque)

    def take_line(self, agent_id: str) -> None:
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        self.agent_in_flight[agent_id] = self.agent_in_flight.get(agent_id, 0) + 1

    def free_line(self, agent_id: str) -> None:
        self.in_flight -= 1
        self.agent_in_flight[agent_id] -= 1

    def dialled(self, agent_id: str) -> int:
        """Calls of that agent dialled on this UTC day."""
        return self.dialled_today.get((agent_id, int(time.time()) // 86_400), 0)

    def count_dial(self, agent_id: str, *, at: float) -> None:
        key = (agent_id, int(at) // 86_400)
        self.dialled_today[key] = self.dialled_today.get(key, 0) + 1

    def keep(self, conversation: Conversation) -> None:
        self.conversations[conversation.id] = conversation
        self.agent_last_call[conversation.agent_id] = int(conversation.started_at)
        if conversation.user_id:
            self.conversations_by_user.setdefault(conversation.user_id, []).append(conversation)


@dataclass(frozen=True)
class Dial:
    """What one call is made of before it exists."""

    account: Account
    agent: Json
    phone: Json
    number: str
    client_data: Json
    requested_at: float
    ringing_timeout: int = 60
    direction: str = "outbound"
    batch: Batch | None = None
    recipient: Recipient | None = None


def default_settings() -> Json:
    """/v1/convai/settings of a fresh workspace: no post-call webhook attached."""
    return {
        "conversation_initiation_client_data_webhook": None,
        "webhooks": {
            "post_call_webhook_id": None,
            "events": ["transcript", "call_initiation_failure"],
            "transcript_format": "json",
            "send_audio": False,
            "exclude_transcript": False,
        },
        "can_use_mcp_servers": False,
        "rag_retention_period_days": 10,
        "conversation_embedding_retention_days": None,
        "default_livekit_stack": "standard",
    }


class World:
    """All accounts and the append-only ledger. Touched only from the event loop's thread."""

    def __init__(self, config: SimulatorConfig) -> None:
        self.config = config
        self.seed = config.seed
        self.speed = config.speed
        self.concurrency = config.concurrency
        self.started_at = time.time()
        self.accounts: dict[str, Account] = {}
        self.ledger: list[LedgerEntry] = []
        self.scripts: dict[str, Script] = {}
        self.sequence = 0
        self._file: IO[bytes] | None = None

    def random(self, *parts: object) -> random.Random:
        """Randomness that depends on the seed and `parts` only, never on what happened before."""
        return random.Random(":".join(str(part) for part in (self.seed, *parts)))  # noqa: S311  (a story, not a secret)

    def next_seq(self) -> int:
        self.sequence += 1
        return self.sequence

    def account(self, name: str) -> Account:
        """The account of that name; made, with its seeded agents and number, when first asked for."""
        if name not in self.accounts:
            now = int(time.time())
            account = Account(name=name, limit=self.concurrency, settings=default_settings())
            account.agents = seeded_agents(now)
            account.phone_numbers = seeded_phone_numbers(name)
            self.accounts[name] = account
        return self.accounts[name]

    def place(self, conversation: Conversation, account: Account) -> LedgerEntry:
        """The one line of this dial; `mirror` it once it is kept."""
        entry = LedgerEntry(
            seq=len(self.ledger) + 1,
            account=account.name,
            number=conversation.number,
            recipient_id=conversation.recipient.id if conversation.recipient else None,
            batch_id=conversation.batch.id if conversation.batch else None,
            conversation_id=conversation.id,
            requested_at=conversation.requested_at,
            dispatched_at=(conversation.recipient and conversation.recipient.dispatched_at) or conversation.started_at,
            placed_at=conversation.started_at,
        )
        self.ledger.append(entry)
        return entry

    def end(self, entry: LedgerEntry, outcome: str) -> None:
        entry.ended_at = time.time()
        entry.outcome = outcome

    def note(self, event: str, **more: Any) -> None:
        """A line of its own in the mirrored ledger, e.g. a reset, or a submission that has arrived."""
        self._write({"event": event, "at": time.time(), "seed": self.seed, "speed": self.speed, **more})

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def mirror(self, entry: LedgerEntry) -> None:
        """`entry` in the mirrored ledger: as it was placed, or as it ended."""
        if self.config.ledger is not None:
            self._write({"event": "placed" if entry.outcome is None else "ended", **vars(entry)})

    def mirror_what_is_missing(self) -> None:
        """A kill may have come between keeping a dial and writing its line."""
        if self.config.ledger is None or not self.config.ledger.exists():
            return
        lines = self.config.ledger.read_bytes().split(b"\n")[:-1]
        placed: set[int] = set()
        for event in map(orjson.loads, lines):
            if event["event"] == "reset":
                placed.clear()
            elif event["event"] == "placed":
                placed.add(event["seq"])
        for entry in self.ledger:
            if entry.seq not in placed:
                self.mirror(replace(entry, ended_at=None, outcome=None))

    def _write(self, line: Json) -> None:
        if self.config.ledger is None:
            return
        if self._file is None:
            self._file = self.config.ledger.open("ab", buffering=0)
        self._file.write(orjson.dumps(line) + b"\n")
