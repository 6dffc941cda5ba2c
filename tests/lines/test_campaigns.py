"""Whole campaigns over a simulated PBX: every number placed once, every outcome as the far end gave it."""

from __future__ import annotations

from telephony.models import RunStatus
from tests.bells import Bells
from tests.dialer.provider import finish, numbers
from tests.dialer.truth import check_rows
from tests.lines.house import House, holding, outcomes, until_up


def test_a_campaign_dials_every_number_once_and_completes(house: House, bells: Bells) -> None:
    called = numbers(12)
    house.script(["*"], outcome="answered", talk_secs=20)
    run = house.campaign(called, max_concurrent=5)
    with holding():
        until_up()
        finish(bells, run)
    run.refresh_from_db()
    assert run.status == RunStatus.COMPLETED
    assert house.dialled() == called
    assert outcomes(run) == {"answered": 12}
    assert house.state()["channels"] == []
    check_rows()
