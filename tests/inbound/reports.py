"""Reports of conversations that we did not start."""

from __future__ import annotations

from typing import Any

from integrations.calls import CallReport, Direction, Origin, Outcome, Phase
from tests.inbound.house import AGENT, CALLER, NUMBER


def origin(**changes: Any) -> Origin:
    """Somebody rang the number."""
    known = {"direction": Direction.INBOUND, "agent_id": AGENT, "our_number": NUMBER, "external_number": CALLER}
    return Origin(**(known | changes))


def report(conversation_id: str = "conv_1", **changes: Any) -> CallReport:
    """Somebody rang the number, and it is over."""
    return CallReport(
        phase=Phase.ENDED,
        conversation_id=conversation_id,
        outcome=Outcome.ANSWERED,
        duration_sec=30,
        settled=True,
        origin=origin(**changes),
    )
