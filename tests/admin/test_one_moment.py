"""The parts of a page are as of one moment: what is written between two readings is in all of them, or in none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from aispinner.core.models import Workspace
from telephony.audit.repair import repair_progress, repair_totals
from telephony.models import Call, Run
from tests.admin.conftest import make_ended_call
from tests.admin.test_dashboard import figures, legend
from tests.factories import make_run

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def written_after(table: str, write: Callable[[], object]) -> Iterator[list[str]]:
    """`write`, by somebody else, as soon as `table` has been read for the first time; by which statement."""
    read: list[str] = []

    def beside() -> None:
        write()
        connection.close()

    def between(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if f'FROM "{table}"' in sql and not read:
            read.append(sql)
            writer = Thread(target=beside)
            writer.start()
            writer.join()
        return result

    with connection.execute_wrapper(between):
        yield read


def test_the_dashboards_figures_and_chart_tell_of_the_same_calls(browser: Client, workspace: Workspace) -> None:
    def one_more() -> None:
        make_ended_call(workspace=workspace)
        repair_totals()

    one_more()
    with written_after("telephony_journaltotal", one_more) as read:
        told = browser.get(reverse("admin:telephony_dashboard_live")).json()["parts"]
    assert read
    assert Call.objects.count() == 2
    assert figures(told["figures"])["Calls today"][0] == legend(told["chart"])["Answered"] == "1"


def test_a_campaigns_figures_and_outcomes_tell_of_the_same_calls(browser: Client, workspace: Workspace) -> None:
    run = make_run(workspace=workspace, numbers=["+15550100123"], next_at=timezone.now())

    def one_more() -> None:
        make_ended_call(workspace=workspace, run=run, duration_sec=60)
        repair_progress({run.call_id})

    one_more()
    with written_after("telephony_run", one_more) as read:
        told = browser.get(reverse("admin:telephony_run_live", args=(run.pk,))).json()["parts"]
    assert read
    assert Run.objects.get().progress.total_duration_sec == 120
    assert figures(told["figures"])["Talk time"][0] == "1:00"
    assert "<b>1</b><small>100%</small>" in told["outcomes"]
