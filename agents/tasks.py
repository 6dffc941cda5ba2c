"""Agents are compared with ElevenLabs now and then, so that a change there is seen before it surprises anybody."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task

from agents.services import compare_the_oldest

COMPARED_EVERY = timedelta(hours=12)
AT_ONCE = 20


@shared_task
def compare_agents() -> None:
    """Compare those whose turn it is."""
    compare_the_oldest(older_than=COMPARED_EVERY, most=AT_ONCE)
