"""Signed addresses of the conversation socket, the conversations going on there, and what happened in the last ones."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from .small_talk import VoiceScript
from .sounds import Track

Json = dict[str, Any]
VALID_SECS = 15 * 60
_REMEMBERED = 200
_SOUNDS_REMEMBERED = 10
_LONGEST_TIMELINE = 5000


@dataclass
class Signature:
    """What a signed address lets in to. With a conversation's id in it, it lets in once."""

    account: str
    agent_id: str
    conversation_id: str | None
    until: float


@dataclass
class Timeline:
    """One conversation as the instrument saw it; each event has `at`, seconds since the socket was accepted (which
    was at `opened_at`, seconds since the epoch).
    """

    account: str
    agent_id: str
    conversation_id: str = ""
    close_code: int | None = None
    events: list[Json] = field(default_factory=list)
    opened_at: float = field(default_factory=time.time)
    _zero: float = field(default_factory=time.monotonic)

    def elapsed(self) -> float:
        return time.monotonic() - self._zero

    def mark(self, what: str, **more: Any) -> None:
        if len(self.events) < _LONGEST_TIMELINE:
            self.events.append({"at": round(self.elapsed(), 4), "what": what, **more})

    def shown(self) -> Json:
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}


class Sockets:
    """All of it for one world; a reset makes a new one."""

    def __init__(self) -> None:
        self.scripts: dict[str, VoiceScript] = {}
        self.timelines: deque[Timeline] = deque(maxlen=_REMEMBERED)
        self.tracks: deque[tuple[str, Track]] = deque(maxlen=_SOUNDS_REMEMBERED)  # by the conversation's id
        self._signatures: dict[str, Signature] = {}
        self._open: set[asyncio.Future[Any]] = set()

    def script(self, agent_id: str) -> VoiceScript:
        return self.scripts.get(agent_id) or self.scripts.get("*") or VoiceScript()

    def sign(self, *, account: str, agent_id: str, conversation_id: str | None) -> str:
        """A new signature, valid for 15 real minutes."""
        now = time.time()
        self._signatures = {token: one for token, one in self._signatures.items() if one.until > now}
        token = f"cvtkn_{secrets.token_hex(16)}"
        self._signatures[token] = Signature(account, agent_id, conversation_id, now + VALID_SECS)
        return token

    def redeem(self, token: str, *, agent_id: str) -> Signature | None:
        """Whom `token` lets in; None where it is unknown, expired, used up or for another agent."""
        found = self._signatures.get(token)
        if found is None or found.agent_id != agent_id or found.until < time.time():
            return None
        if found.conversation_id is not None:
            del self._signatures[token]
        return found

    def heard(self, conversation_id: str) -> bytes | None:
        """What came from the user in one of the last conversations, 16 kHz PCM; None where it is not remembered."""
        return next((track.heard for name, track in self.tracks if name == conversation_id), None)

    def expire(self) -> int:
        """Let 15 minutes pass for every signature; how many there were."""
        for one in self._signatures.values():
            one.until = 0.0
        return len(self._signatures)

    def opened(self, over: asyncio.Future[Any]) -> None:
        """Remember a conversation by the future that ends it."""
        self._open.add(over)
        over.add_done_callback(self._open.discard)

    def close(self) -> None:
        """End every conversation: the world behind them is gone."""
        for over in list(self._open):
            over.cancel()
