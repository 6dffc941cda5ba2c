"""Campaigns that share an account: its limit and theirs are never exceeded, and nobody starves."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from itertools import chain

import pytest
from django.utils import timezone

from telephony.dialer.claims import claim
from telephony.dialer.transitions import apply_reports
from telephony.models import Call, Pacing, Run, RunStatus
from tests.bells import Bells
from tests.dialer.clock import later
from tests.dialer.provider import Provider, finish, look, numbers
from tests.dialer.test_reports import SETTLED
from tests.dialer.truth import check_rows
from tests.factories import make_account, make_key, make_run, make_workspace

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("pacing", [*Pacing.values, "both"])
def test_three_campaigns_share_an_account_within_its_limit(provider: Provider, bells: Bells, pacing: str) -> None:
    provider.lines = 5
    called = [numbers(6) for _ in range(3)]
    kinds = Pacing.values * 2 if pacing == "both" else [pacing] * 3
    runs = [provider.campaign(mine, max_concurrent=4, pacing=kind) for mine, kind in zip(called, kinds, strict=False)]
    deadline = time.monotonic() + 20
    while Run.objects.exclude(status=RunStatus.COMPLETED).exists():
        assert time.monotonic() < deadline
        look(bells)
        check_rows()
    assert provider.dialled() == sorted(chain.from_iterable(called))
    assert provider.most_at_once() <= 5
    first_calls = [run.calls.order_by("pk")[0].pk for run in runs]
    last_calls = [run.calls.order_by("-pk")[0].pk for run in runs]
    assert max(first_calls) < min(last_calls), "one had to wait until another was through"


def one_call_ends() -> None:
    """The call that has been up for longest ends."""
    call = Call.objects.filter(ended_at=None).order_by("pk")[0]
    apply_reports({call.pk: replace(SETTLED, conversation_id=f"conv_{call.pk}")}, now=timezone.now())


@pytest.mark.parametrize("limit", [1, 2])
def test_with_more_campaigns_than_lines_each_has_its_turn(limit: int) -> None:
    workspace = make_workspace()
    key = make_key(workspace=workspace, account=make_account(limit=limit))
    runs = [make_run(workspace=workspace, key=key, numbers=numbers(9), pacing="continuous") for _ in range(4)]
    turns: list[int] = []
    for _ in range(4 * limit + 4):
        for run in runs:
            if isinstance(claim(run.pk, now=timezone.now()), int):
                turns.append(run.pk)
        check_rows()
        later(seconds=1)
        one_call_ends()
    assert all(set(turns[start : start + 4]) == {run.pk for run in runs} for start in range(0, len(turns) - 3, 4))


def test_a_campaign_that_waits_for_its_next_attempt_keeps_no_free_line_from_others() -> None:
    workspace = make_workspace()
    key = make_key(workspace=workspace, account=make_account(limit=1))
    later_on = timezone.now() + timedelta(hours=1)
    make_run(workspace=workspace, key=key, numbers=numbers(5), next_attempt_at=later_on)
    other = make_run(workspace=workspace, key=key, numbers=numbers(5))
    assert isinstance(claim(other.pk, now=timezone.now()), int)


def test_a_newcomer_gets_its_share_as_lines_come_free() -> None:
    workspace = make_workspace()
    key = make_key(workspace=workspace, account=make_account(limit=4))
    old = make_run(workspace=workspace, key=key, numbers=numbers(20), max_concurrent=4, pacing="continuous")
    claim(old.pk, now=timezone.now())
    new = make_run(workspace=workspace, key=key, numbers=numbers(20), max_concurrent=4, pacing="continuous")
    for _ in range(2):
        one_call_ends()
        claim(old.pk, now=timezone.now())
        claim(new.pk, now=timezone.now())
        check_rows()
    busy = {run.pk: run.calls.filter(ended_at=None).count() for run in (old, new)}
    assert busy == {old.pk: 2, new.pk: 2}


def test_lines_that_nobody_else_wants_go_to_the_one_who_does() -> None:
    workspace = make_workspace()
    key = make_key(workspace=workspace, account=make_account(limit=6))
    small = make_run(workspace=workspace, key=key, numbers=numbers(1), max_concurrent=6)
    large = make_run(workspace=workspace, key=key, numbers=numbers(20), max_concurrent=6)
    for status in (RunStatus.PAUSED, RunStatus.PAUSING, RunStatus.CANCELLED, RunStatus.COMPLETED):
        make_run(workspace=workspace, key=key, numbers=numbers(20), max_concurrent=6, status=status)
    for run in (small, large):
        claim(run.pk, now=timezone.now())
    assert [run.calls.count() for run in (small, large)] == [1, 5]


def test_calls_of_a_stopping_campaign_keep_their_lines_until_they_end() -> None:
    workspace = make_workspace()
    key = make_key(workspace=workspace, account=make_account(limit=4))
    stopping = make_run(workspace=workspace, key=key, numbers=numbers(20), max_concurrent=3)
    claim(stopping.pk, now=timezone.now())
    Run.objects.filter(pk=stopping.pk).update(status=RunStatus.PAUSING)
    other = make_run(workspace=workspace, key=key, numbers=numbers(20), max_concurrent=4)
    claim(other.pk, now=timezone.now())
    assert other.calls.count() == 1
    check_rows()


def test_another_account_is_another_matter() -> None:
    workspace = make_workspace()
    runs = [
        make_run(
            workspace=workspace,
            key=make_key(workspace=workspace, account=make_account(limit=2)),
            numbers=numbers(5),
            max_concurrent=5,
        )
        for _ in range(2)
    ]
    for run in runs:
        claim(run.pk, now=timezone.now())
    assert [run.calls.count() for run in runs] == [2, 2]


def test_a_campaign_wider_than_its_account_runs_to_its_end_within_the_limit(provider: Provider, bells: Bells) -> None:
    provider.lines = 3
    called = numbers(9)
    run = provider.campaign(called, max_concurrent=50)
    finish(bells, run)
    assert provider.dialled() == called
    assert provider.most_at_once() == 3
