"""What a conversation has come to so far, as reports for the journal: the state, and the turns as they are said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from integrations.calls import CallReport, Outcome, Phase, Turn
from integrations.elevenlabs.conversation_events import AgentResponse, Correction, UserTranscript


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a session ended: `outcome` and `reason` of its call, `why` for the session itself."""

    outcome: Outcome
    reason: str
    why: str
    settled: bool = False


class Notes:
    """`changed` is set whenever there is something new to write down."""

    def __init__(self, *, phase: Phase, clock: Callable[[], float]) -> None:
        self.changed = asyncio.Event()
        self._clock = clock
        self._report = CallReport(phase=phase)
        self._turns: list[Turn] = []
        self._answered_at: float | None = clock() if phase is Phase.IN_PROGRESS else None

    @property
    def answered(self) -> bool:
        return self._answered_at is not None

    def reached(self, phase: Phase) -> None:
        """The call has come as far as this."""
        if phase is Phase.IN_PROGRESS and self._answered_at is None:
            self._answered_at = self._clock()
        if phase is not self._report.phase:
            self._change(replace(self._report, phase=phase))

    def conversation(self, conversation_id: str) -> None:
        """The agent's side has given it a name."""
        self._change(replace(self._report, conversation_id=conversation_id))

    def agent_said(self, said: AgentResponse) -> None:
        self._add("agent", said.text)

    def user_said(self, said: UserTranscript) -> None:
        self._add("user", said.text)

    def corrected(self, correction: Correction) -> None:
        """The agent was interrupted: its last turn ends where it was heard."""
        for place in range(len(self._turns) - 1, -1, -1):
            if self._turns[place].role == "agent":
                self._turns[place] = replace(self._turns[place], message=correction.corrected)
                self.changed.set()
                return

    def report(self) -> CallReport:
        """Everything so far."""
        return replace(self._report, transcript=tuple(self._turns))

    def final(self, ending: Ending) -> CallReport:
        """The end of it. The provider's own analysis settles what was a conversation."""
        return replace(
            self.report(),
            phase=Phase.ENDED,
            outcome=ending.outcome,
            reason=ending.reason,
            duration_sec=round(self._secs()),
            settled=ending.settled or self._report.conversation_id is None,
        )

    def _add(self, role: str, message: str) -> None:
        self._turns.append(Turn(role=role, message=message, time_in_call_secs=int(self._secs())))
        self.changed.set()

    def _secs(self) -> float:
        return self._clock() - self._answered_at if self._answered_at is not None else 0.0

    def _change(self, report: CallReport) -> None:
        self._report = report
        self.changed.set()
