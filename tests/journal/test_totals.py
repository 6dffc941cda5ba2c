"""What a journal says it holds is what its rows say, under every filter."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import product

import pytest
from django.core.management import call_command
from django.db import connection

from aispinner.core.models import Node, NodeType, Workspace
from telephony.journal import totals
from telephony.journal.filters import Filters
from telephony.journal.scope import Scope, scope_of_workspaces, scopes_of_nodes
from telephony.journal.totals import Total, total_of
from telephony.models import Call, CallStatus, JournalTotal
from tests.factories import make_node, make_run, make_workspace
from tests.journal.rows import DAY, make_call

pytestmark = pytest.mark.django_db


@pytest.fixture
def lively() -> Workspace:
    """Three days of calls in two workspaces, over all kinds of nodes and statuses."""
    workspace, other = make_workspace(), make_workspace()
    nodes = {
        (each, kind): make_node(workspace=each, type=kind)
        for each in (workspace, other)
        for kind in (NodeType.PBX, NodeType.PHONE_NUMBER, NodeType.AGENT)
    }
    at = DAY - timedelta(hours=20)
    for number, (each, status) in enumerate(product((workspace, other), [*CallStatus] * 3)):
        at += timedelta(hours=2)
        make_call(
            workspace=each,
            pbx=nodes[each, NodeType.PBX] if number % 2 else None,
            phone=nodes[each, NodeType.PHONE_NUMBER] if number % 3 else None,
            agent=nodes[each, NodeType.AGENT],
            status=status,
            at=at,
            duration_sec=number,
        )
    return workspace


def counted(calls: list[Call]) -> Total:
    return Total(calls=len(calls), duration_sec=sum(call.duration_sec for call in calls))


def total(scopes: list[Scope], **filters: object) -> Total:
    return total_of(scopes=scopes, filters=Filters(**filters))  # type: ignore[arg-type]


@pytest.mark.parametrize("statuses", [(), (CallStatus.DONE,), (CallStatus.DONE, CallStatus.FAILED)])
@pytest.mark.parametrize(
    ("since", "until"),
    [
        (None, None),
        (DAY.replace(hour=0), None),
        (None, DAY.replace(hour=23, minute=59, second=59, microsecond=999999)),
        (DAY - timedelta(hours=3), DAY + timedelta(hours=5)),
        (DAY + timedelta(days=900), None),
        (None, DAY - timedelta(days=900)),
        (DAY + timedelta(hours=5), DAY),
    ],
)
def test_totals_are_what_the_rows_say(
    lively: Workspace, statuses: tuple[CallStatus, ...], since: datetime | None, until: datetime | None
) -> None:
    nodes = list(Node.objects.filter(workspace=lively))
    for scopes, rows in [
        (scope_of_workspaces([lively]), Call.objects.filter(workspace=lively)),
        (scope_of_workspaces(Workspace.objects.all()), Call.objects.all()),
        *(
            (
                scopes_of_nodes([node]),
                Call.objects.filter(pbx_node=node)
                | Call.objects.filter(phone_node=node)
                | Call.objects.filter(agent_node=node),
            )
            for node in nodes
        ),
    ]:
        wanted = [
            call
            for call in rows
            if (not statuses or call.status in statuses)
            and (since is None or call.created_at >= since)
            and (until is None or call.created_at <= until)
        ]
        assert total(scopes, statuses=statuses, since=since, until=until) == counted(wanted)


def test_the_calls_of_one_campaign_are_counted(lively: Workspace) -> None:
    run = make_run(workspace=lively)
    mine = [make_call(workspace=lively, run=run, duration_sec=7), make_call(workspace=lively, run=run)]
    assert total(scope_of_workspaces([lively]), run_id=run.pk) == counted(mine)


def test_texts_are_counted_up_to_a_limit_and_say_so(lively: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(totals, "COUNTED_UP_TO", 3)
    for _ in range(4):
        make_call(workspace=lively, summary="They like apples.", duration_sec=5)
    found = total(scope_of_workspaces([lively]), q="apples")
    assert found == Total(calls=3, duration_sec=15, capped=True)


def test_whole_days_need_no_counting_however_many_calls(lively: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(totals, "COUNTED_UP_TO", 3)
    found = total(scope_of_workspaces([lively]), since=DAY.replace(hour=0))
    assert found.calls > 3
    assert not found.capped


def test_without_dates_no_day_is_read_however_many_there_are(lively: Workspace) -> None:
    scopes = scope_of_workspaces([lively])
    before = total(scopes), total(scopes, statuses=(CallStatus.DONE,))
    JournalTotal.objects.filter(day__isnull=False).delete()
    assert (total(scopes), total(scopes, statuses=(CallStatus.DONE,))) == before != (Total(), Total())


@pytest.mark.django_db(transaction=True)
def test_days_counted_before_there_were_sums_over_all_days_are_summed() -> None:
    workspace, other = make_workspace(), make_workspace()
    call_command("migrate", "telephony", "0001_initial", verbosity=0)
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO telephony_journaltotal (workspace_id, status, day, calls, duration_sec)"
            " VALUES (%s, 'done', %s, %s, %s)",
            [(workspace.pk, DAY, 2, 60), (workspace.pk, DAY + timedelta(days=1), 3, 30), (other.pk, DAY, 1, 5)],
        )
    call_command("migrate", "telephony", verbosity=0)
    assert total(scope_of_workspaces([workspace])) == Total(calls=5, duration_sec=90)
    assert total(scope_of_workspaces([workspace, other])) == Total(calls=6, duration_sec=95)


def test_nothing_in_scope_is_nothing() -> None:
    assert total([]) == Total()
