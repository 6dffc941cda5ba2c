"""Celery's worker with a provider that takes no time: it accepts every batch, and tells at once how all calls ended.

What it tells is taken in as everything a provider tells is, in the worker that has written down the submission.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from aispinner.celery import app

app.set_default()
app.loader.import_default_modules()

from integrations.calls import CallReport, Disposition, Outcome, Phase, Turn  # noqa: E402 - once Django is ready
from telephony.dialer import advance, chunks, records  # noqa: E402
from telephony.models import Call  # noqa: E402
from telephony.stacks.base import Finding, Order, Poll, Trace  # noqa: E402
from tests.bench.rivals.campaign import TURNS  # noqa: E402

__all__ = ["app"]
TOLD = CallReport(
    phase=Phase.ENDED,
    outcome=Outcome.ANSWERED,
    settled=True,
    duration_sec=42,
    transcript=tuple(Turn(**turn) for turn in TURNS),
    summary="They agreed.",
    disposition=Disposition.SUCCESS,
    has_audio=True,
)
record_submission = records.record_submission


class Instant:
    """A stack without a wire."""

    can_hang_up = False
    can_hear_ends = False

    def prepare(self, order: Order) -> None:
        """Nothing is needed."""

    def submit(self, order: Order) -> str:
        return f"batch_{order.chunk_id}"

    def find(self, order: Order) -> Finding:
        return Finding(trace=Trace.FOUND, external_id=f"batch_{order.chunk_id}")

    def poll(self, order: Order) -> Poll:
        return Poll(reports={item.call_id: TOLD for item in order.items if not item.settled})

    def over(self, secret: str, *, since: datetime) -> Collection[str]:
        return ()  # never asked

    def read(self, secret: str, conversations: Sequence[str]) -> Poll:
        return Poll(reports={})  # never asked

    def cancel(self, order: Order) -> None:
        """Nothing waits."""

    def hang_up(self, order: Order) -> None:
        """Nothing is up."""


def record_and_tell(chunk_id: int, *, external_id: str, now: datetime) -> None:
    """The submission written down, and the next moment all that came of it."""
    record_submission(chunk_id, external_id=external_id, now=now)
    calls = Call.objects.filter(chunk_id=chunk_id, ended_at=None).values_list("pk", flat=True)
    records.take_in(dict.fromkeys(calls, TOLD), now=now)


def _instant(name: str) -> Instant:
    return Instant()


for module in (advance, chunks):
    vars(module)["stack_for"] = _instant
vars(advance)["record_submission"] = record_and_tell
