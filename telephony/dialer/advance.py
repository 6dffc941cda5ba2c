"""A run moved on: claim → submit → record, chunk after chunk, until there is nothing to submit now."""

from __future__ import annotations

from dataclasses import replace

import structlog
from django.utils import timezone

from aispinner.core.crash_points import Point, reach
from integrations.errors import Answer, ProviderError
from telephony.dialer.claims import claim, set_off
from telephony.dialer.locks import BRIEFLY, run_lock
from telephony.dialer.orders import calls_of, order_for
from telephony.dialer.plan import Dissolve
from telephony.dialer.records import dissolve_chunk, record_failure, record_submission
from telephony.dialer.unforeseen import taken_as
from telephony.models import Chunk
from telephony.stacks import stack_for

log = structlog.get_logger(__name__)


def advance_run(run_id: int) -> None:
    """Submit what may be submitted now. Any number of workers may call this at any time."""
    with run_lock(run_id, wait=BRIEFLY) as mine:  # who holds it for longer looks again afterwards
        while mine and (step := claim(run_id, now=timezone.now())) is not None:
            if isinstance(step, Dissolve):
                dissolve_chunk(step.chunk_id, now=timezone.now())
            else:
                reach(Point.CLAIMED)
                submit_chunk(step)


def submit_chunk(chunk_id: int) -> None:
    """Hand a claimed chunk to its stack and write down what came of it. Nothing is locked but the run's own lock."""
    chunk = Chunk.objects.select_related("run__agent", "api_key").get(pk=chunk_id)
    order = order_for(chunk, calls_of(chunk))
    stack = stack_for(chunk.run.voice_stack)
    try:
        with taken_as(Answer.REFUSED):
            stack.prepare(order)
    except ProviderError as error:
        # Nothing was dialled by preparing, whatever became of it.
        answer = Answer.NOT_DONE if error.answer is Answer.UNKNOWN else error.answer
        record_failure(chunk_id, error, answer=answer, now=timezone.now())
        return
    reach(Point.PREPARED)
    set_off_at = timezone.now()
    if not set_off(chunk_id, now=set_off_at):
        dissolve_chunk(chunk_id, now=timezone.now())
        return
    reach(Point.SUBMIT_SENT)
    try:
        with taken_as(Answer.UNKNOWN):
            external_id = stack.submit(replace(order, submitted_at=set_off_at))
    except ProviderError as error:
        reach(Point.SUBMIT_FAILED)
        record_failure(chunk_id, error, answer=error.answer, now=timezone.now())
        return
    reach(Point.SUBMIT_ACCEPTED)
    record_submission(chunk_id, external_id=external_id, now=timezone.now())
    reach(Point.RECORDED)
    log.info("chunk_submitted", chunk_id=chunk_id, run_id=chunk.run_id, size=chunk.size)
