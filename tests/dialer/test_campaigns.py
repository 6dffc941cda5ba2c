"""Whole campaigns at the simulated provider: every number placed once, every row as the ledger says."""

from __future__ import annotations

import pytest

from telephony.models import Pacing, RunStatus
from tests.bells import Bells
from tests.dialer.provider import Provider, finish, numbers
from tests.dialer.truth import check_rows


@pytest.mark.django_db
@pytest.mark.parametrize("pacing", Pacing.values)
def test_a_campaign_dials_every_number_once_and_completes(provider: Provider, bells: Bells, pacing: str) -> None:
    called = numbers(12)
    run = provider.campaign(called, max_concurrent=5, pacing=pacing)
    finish(bells, run)
    run.refresh_from_db()
    assert run.status == RunStatus.COMPLETED
    assert provider.dialled() == called
    check_rows()
