"""What happened to a call or a campaign, polled."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from telephony.dialer.ledger import take_numbers
from telephony.models import Call, CallEvent
from tests.api.conftest import Line
from tests.journal.rows import make_call

pytestmark = pytest.mark.django_db


def tell(call: Call, type_: str = "status") -> int:
    numbers, at = take_numbers(1)
    number = next(numbers)
    CallEvent.objects.create(
        id=number, workspace=call.workspace, run=call.run, call=call, type=type_, data={"status": "done"}, at=at
    )
    return number


def test_events_come_in_order_and_go_on_after_since(as_viewer: APIClient, line: Line) -> None:
    call = make_call(workspace=line.workspace)
    events = [tell(call) for _ in range(3)]
    tell(make_call(workspace=line.workspace))
    path = f"/telephony/calls/{call.call_id}/events"
    first = as_viewer.get(f"{path}?limit=2").json()
    assert [event["id"] for event in first["events"]] == events[:2]
    assert (first["total"], first["max_id"], first["has_more"]) == (3, events[1], True)
    second = as_viewer.get(f"{path}?since={first['max_id']}").json()
    assert [event["id"] for event in second["events"]] == events[2:]
    assert second["has_more"] is False
    assert as_viewer.get(f"{path}?since={second['max_id']}").json()["events"] == []


def test_an_event_says_what_happened_to_whom_and_when(as_viewer: APIClient, line: Line) -> None:
    call = make_call(workspace=line.workspace)
    tell(call)
    [event] = as_viewer.get(f"/telephony/calls/{call.call_id}/events").json()["events"]
    assert set(event) == {"id", "type", "call_id", "at", "data"}
    assert (event["type"], event["call_id"], event["data"]) == ("status", call.call_id, {"status": "done"})


def test_a_campaigns_events_include_those_of_its_calls(as_viewer: APIClient, line: Line) -> None:
    run = line.run()
    numbers, at = take_numbers(1)
    CallEvent.objects.create(id=next(numbers), workspace=line.workspace, run=run, type="run.created", at=at)
    call = make_call(workspace=line.workspace, run=run)
    tell(call)
    events = as_viewer.get(f"/telephony/calls/{run.call_id}/events").json()["events"]
    assert [(event["type"], event["call_id"]) for event in events] == [
        ("run.created", run.call_id),
        ("status", call.call_id),
    ]


@pytest.mark.parametrize("query", ["since=x", "since=-1", "since=99999999999999999999", "limit=0", "limit=5000"])
def test_bad_queries_are_refused(as_viewer: APIClient, line: Line, query: str) -> None:
    call = make_call(workspace=line.workspace)
    assert as_viewer.get(f"/telephony/calls/{call.call_id}/events?{query}").status_code == 422


@pytest.mark.parametrize("call_id", ["call_nowhere", "camp_nowhere", "%00", "x" * 300])
def test_what_does_not_exist_is_not_found(as_viewer: APIClient, call_id: str) -> None:
    assert as_viewer.get(f"/telephony/calls/{call_id}/events").status_code == 404
