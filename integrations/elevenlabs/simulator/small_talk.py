"""What the agent says on the conversation socket, and what it takes the other side to have said."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from . import conversation_shapes as shapes
from .stories import tell
from .world import Conversation

Json = dict[str, Any]
Fault = Literal["silent", "no_metadata", "llm_timeout", "internal_error", "strange"]
FAULTS: tuple[str, ...] = get_args(Fault)
_FAREWELL = re.compile(r"\b(good)?bye\b", re.IGNORECASE)
_STORY_SECS = 120
NUDGE = "Are you still there?"
ANYTHING_ELSE = "Is there anything else that I can do for you?"


@dataclass(frozen=True)
class VoiceScript:
    """How an agent behaves on the socket. Times are real ones, whatever the world's speed.

    replies, hears: said and understood one after the other, the last one again and again; empty: a seeded story.
    tones: what is heard instead of a voice, Hz, each for 250 ms, again and again.
    end_after: the agent ends the call after that many replies. fault: silent (nothing after the metadata),
    no_metadata (nothing at all), llm_timeout (1002 at the first turn), internal_error (1011 at the first turn),
    strange (events and fields nobody has heard of, in between).
    """

    replies: list[str] = field(default_factory=list)
    hears: list[str] = field(default_factory=list)
    tones: list[float] = field(default_factory=list)
    end_after: int | None = None
    think_ms: int = 400
    silence_ms: int = 600
    words_per_second: float = 3.2
    pace: float = 0.85
    ping_secs: float = 2.0
    receive_timeout_secs: float = 60.0
    fault: Fault | None = None


@dataclass(frozen=True)
class Reply:
    """What the agent says next; `ends`: it hangs up afterwards."""

    text: str
    ends: bool = False


class SmallTalk:
    """One conversation's words: a scripted one, else a story decided by the seed."""

    def __init__(self, call: Conversation, script: VoiceScript) -> None:
        config = call.agent["conversation_config"]["agent"]
        override = (call.client_data.get("conversation_config_override") or {}).get("agent") or {}
        placeholders = config["dynamic_variables"]["dynamic_variable_placeholders"]
        tools = {name for name, tool in config["prompt"]["built_in_tools"].items() if tool}
        first_message = override.get("first_message") or config["first_message"]
        told = tell(
            call.story,
            first_message=first_message,
            variables={**placeholders, **shapes.variables(call)},
            talk_secs=_STORY_SECS,
            tools=tools,
        )
        mine = [turn.message or "" for turn in told.turns if turn.role == "agent"]
        theirs = [turn.message or "" for turn in told.turns if turn.role == "user"]
        self.opening = mine[0] if first_message else ""
        self.title, self.summary = told.title, told.summary
        self.finished = False
        self._script = script
        self._goodbye = mine[-1]
        self._replies = script.replies or [*mine[1:-1], ANYTHING_ELSE]
        self._hears = script.hears or theirs
        self._ends_by_itself = "end_call" in tools and not script.replies
        self._replied = self._heard = 0

    def hear(self) -> str:
        """What somebody says who was only heard to speak."""
        text = self._hears[min(self._heard, len(self._hears) - 1)]
        self._heard += 1
        return text

    def reply(self, to: str) -> Reply:
        """The answer; a goodbye is answered with one, which ends the call."""
        number = self._replied
        self._replied += 1
        if self._script.end_after is not None:
            if self._replied >= self._script.end_after:
                return self._farewell()
        elif _FAREWELL.search(to) or (self._ends_by_itself and number >= len(self._replies) - 1):
            return self._farewell()
        return Reply(self._replies[min(number, len(self._replies) - 1)])

    def _farewell(self) -> Reply:
        self.finished = True
        return Reply(self._goodbye, ends=True)
