"""Bells may be lost, late or doubled: the sweep finds every row whose time has come."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from celery import current_app
from django.utils import timezone
from pytest_django import Settings

from aispinner.core import broker
from integrations.models import WebhookEndpoint, WebhookReceipt
from telephony.dialer.bell import ring_runs
from telephony.dialer.sweep import sweep
from telephony.models import Chunk, Run, RunStatus
from telephony.services import pause_run
from tests.bells import Bells
from tests.dialer.clock import now_due
from tests.dialer.provider import Provider, numbers
from tests.dialer.threads import eventually
from tests.dialer.truth import check_rows
from tests.factories import make_run, make_user, make_workspace

pytestmark = pytest.mark.django_db
ADVANCE_RUN = "telephony.tasks.advance_run"


def lose(bells: Bells) -> None:
    """The broker is emptied: what was rung, and what is remembered of it."""
    bells.clear()
    for key in broker.client().scan_iter(match=broker.key("bell:*")):
        broker.client().delete(key)


@pytest.fixture
def no_broker(settings: Settings) -> Iterator[None]:
    """Nobody answers where the broker should be."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "REDIS_URL", "redis://127.0.0.1:1/0")
        broker.client.cache_clear()
        yield
    broker.client.cache_clear()


def test_rings_for_a_row_that_waits_already_are_one(bells: Bells) -> None:
    runs = [2**40, 2**40 + 1]  # no other test's
    for _ in range(3):
        ring_runs(runs)
    assert [bell.args for bell in bells.rung] == [[run] for run in runs]


def test_what_happens_once_a_bell_is_being_answered_rings_anew(bells: Bells) -> None:
    run = make_run(workspace=make_workspace(), status=RunStatus.PAUSED)
    ring_runs([run.pk])
    bells.answer()
    ring_runs([run.pk])
    assert bells.names() == [ADVANCE_RUN]


def test_a_campaign_finishes_although_every_bell_but_the_sweeps_is_lost(provider: Provider, bells: Bells) -> None:
    called = numbers(6)
    run = provider.campaign(called, max_concurrent=3)

    def look() -> bool:
        lose(bells)
        now_due()
        sweep(now=timezone.now())
        for bell in bells.rung:
            current_app.tasks[bell.name].run(*bell.args)
        run.refresh_from_db()
        return run.status == RunStatus.COMPLETED

    eventually(look)
    assert provider.dialled() == called
    check_rows()


def test_a_broker_that_is_away_stops_nobody_and_the_sweep_makes_up_for_it(
    provider: Provider, bells: Bells, no_broker: None
) -> None:
    run = provider.campaign()
    pause_run(run=run, user=make_user())
    assert bells.rung == []
    run.refresh_from_db()
    assert run.next_at is not None
    assert run.next_at <= timezone.now()


def test_the_sweep_rings_for_what_is_due_and_nothing_else(bells: Bells) -> None:
    soon, now = timezone.now() + timedelta(minutes=1), timezone.now()
    due, not_yet, resting = (make_run(workspace=make_workspace(), next_at=at) for at in (now, soon, None))
    for run in (due, not_yet, resting):
        Chunk.objects.create(run=run, size=1, submitted_at=now, next_at=run.next_at)
    endpoint = WebhookEndpoint.objects.create(account=due.account)
    for key, at in (("due", now), ("not yet", soon), ("applied", None)):
        WebhookReceipt.objects.create(endpoint=endpoint, event_key=key, kind="x", body="{}", next_at=at)
    assert sweep(now=timezone.now()) == 3
    assert {(bell.name, bell.args[0]) for bell in bells.rung} == {
        (ADVANCE_RUN, due.pk),
        ("telephony.tasks.advance_chunk", due.chunks.get().pk),
        ("telephony.tasks.apply_receipts", endpoint.pk),
    }


def test_a_task_for_a_row_that_is_not_due_or_at_rest_does_nothing(provider: Provider, bells: Bells) -> None:
    run = provider.campaign(status=RunStatus.PAUSED, next_at=None)
    chunk = Chunk.objects.create(run=run, size=0, submitted_at=timezone.now(), status="done")
    current_app.tasks["telephony.tasks.advance_chunk"].run(chunk.pk)
    current_app.tasks[ADVANCE_RUN].run(run.pk)
    assert Run.objects.get().status == RunStatus.PAUSED
    assert provider.batches() == []
