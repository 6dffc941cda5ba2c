"""The journal over HTTP: its shape, its filters, its cursors, and what it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from aispinner.core.models import NodeType
from telephony.models import Call, CallStatus, RunProgress
from tests.api.conftest import Line
from tests.factories import make_member, make_node, make_workspace
from tests.journal.rows import DAY, TRANSCRIPT, make_call

pytestmark = pytest.mark.django_db

PUBLISHED = {
    "id", "call_id", "status", "subscriber_phone", "duration_sec", "summary", "transcript", "created_at",
    "conversation_id", "has_audio", "parent_call_id",
}  # fmt: skip
ENDED = (CallStatus.DONE, CallStatus.FAILED)
CAMPAIGN = {
    "call_id", "name", "status", "numbers_count", "child_count", "success_count", "failed_count", "total_duration_sec",
}  # fmt: skip


def get(client: APIClient, path: str = "", /, **query: Any) -> Any:
    response = client.get(f"/telephony/journal{path}", query)
    assert response.status_code == 200, response.content
    return response.json()


def ids(answer: Any) -> list[int]:
    return [call["id"] for call in answer["calls"]]


def newest_first(calls: Sequence[Call]) -> list[int]:
    return sorted((call.pk for call in calls), reverse=True)


def test_a_call_is_told_as_published(as_viewer: APIClient, line: Line) -> None:
    run = line.run(name="VIP outreach")
    call = make_call(
        workspace=line.workspace,
        run=run,
        pbx=line.pbx,
        phone=line.phone,
        agent=line.agent_node,
        at=DAY.replace(minute=23, second=45),
        duration_sec=142,
        summary="Customer agreed to a callback.",
        transcript=TRANSCRIPT,
        conversation_id="conv_xyz",
        has_audio=True,
        disposition="success",
        ended_at=DAY,
    )
    answer = get(as_viewer, workspace_id=line.workspace.pk, limit=200)
    [shown] = answer["calls"]
    assert set(shown) >= PUBLISHED
    assert shown["id"] == call.pk
    assert shown["subscriber_phone"] == "+15550100123"
    assert shown["transcript"] == [{"role": "agent", "message": "Hello!", "time_in_call_secs": 0}]
    assert shown["created_at"] == "2026-05-04T12:23:45Z"
    assert shown["parent_call_id"] == run.call_id
    assert (shown["outcome"], shown["disposition"], shown["reason"]) == ("answered", "success", None)
    assert (shown["node_id"], shown["phone_node_id"], shown["agent_node_id"]) == (
        "pbx_abc123", "phone_abc", "agent_xyz",
    )  # fmt: skip
    assert (answer["total"], answer["total_duration_sec"], answer["total_capped"]) == (1, 142, False)
    [campaign] = answer["campaigns"]
    assert set(campaign) >= CAMPAIGN
    assert (campaign["call_id"], campaign["name"]) == (run.call_id, "VIP outreach")


def test_a_call_without_campaign_nodes_or_audio_is_told_too(as_viewer: APIClient, line: Line) -> None:
    make_call(workspace=line.workspace, status=CallStatus.QUEUED, direction="inbound")
    [shown] = get(as_viewer)["calls"]
    for field in ("parent_call_id", "node_id", "phone_node_id", "agent_node_id", "audio_url", "outcome"):
        assert shown[field] is None
    assert (shown["transcript"], shown["direction"]) == ([], "inbound")


def test_the_address_of_a_recording_opens_this_one_only(as_viewer: APIClient, line: Line) -> None:
    call = make_call(workspace=line.workspace, has_audio=True)
    other = make_call(workspace=line.workspace, has_audio=True)
    shown = {each["id"]: each["audio_url"] for each in get(as_viewer)["calls"]}
    address = urlsplit(shown[call.pk])
    assert address.path == f"/telephony/calls/{call.call_id}/audio"
    token = parse_qs(address.query)["token"]
    # Let in, it learns that there is no recording to fetch; without the right token it is not let in.
    assert APIClient().get(f"/telephony/calls/{call.call_id}/audio", {"token": token}).status_code == 404
    assert APIClient().get(f"/telephony/calls/{other.call_id}/audio", {"token": token}).status_code == 401


def test_all_the_callers_workspaces_are_listed_and_one_can_be_chosen(
    as_viewer: APIClient, viewer: User, line: Line
) -> None:
    second, foreign = make_workspace("Second"), make_workspace("Foreign")
    make_member(workspace=second, user=viewer)
    calls = [make_call(workspace=each) for each in (line.workspace, second, foreign, line.workspace)]
    everything = get(as_viewer)
    assert ids(everything) == [calls[3].pk, calls[1].pk, calls[0].pk]
    assert everything["total"] == 3
    assert ids(get(as_viewer, workspace_id=second.pk)) == [calls[1].pk]


def test_the_node_filter_and_the_nodes_own_journal_agree(as_viewer: APIClient, line: Line) -> None:
    call = make_call(workspace=line.workspace, pbx=line.pbx)
    make_call(workspace=line.workspace)
    for answer in (
        get(as_viewer, node_id="pbx_abc123"),
        get(as_viewer, "/pbx_abc123", workspace_id=line.workspace.pk, limit=200),
        get(as_viewer, "/pbx_abc123"),
    ):
        assert ids(answer) == [call.pk]
        assert answer["total"] == 1


def test_a_node_id_in_two_workspaces_shows_both_or_asks_which(as_viewer: APIClient, viewer: User, line: Line) -> None:
    second = make_workspace("Second")
    make_member(workspace=second, user=viewer)
    twin = make_node(workspace=second, node_id="pbx_abc123", type=NodeType.AGENT)
    calls = [make_call(workspace=line.workspace, pbx=line.pbx), make_call(workspace=second, agent=twin)]
    for query in ({}, {"since_id": 0}, {"since_version": 0}):
        assert sorted(ids(get(as_viewer, node_id="pbx_abc123", **query))) == [call.pk for call in calls]
    assert as_viewer.get("/telephony/journal/pbx_abc123").status_code == 422
    assert ids(get(as_viewer, "/pbx_abc123", workspace_id=second.pk)) == [calls[1].pk]


def test_status_filters_in_every_order(as_viewer: APIClient, line: Line) -> None:
    calls = {status: make_call(workspace=line.workspace, pbx=line.pbx, status=status) for status in CallStatus}
    wanted = [calls[CallStatus.DONE].pk, calls[CallStatus.FAILED].pk]
    for path in ("", "/pbx_abc123"):
        for query in ({}, {"since_id": 0}, {"since_version": 0}):
            answer = get(as_viewer, path, status="done,failed", **query)
            assert sorted(ids(answer)) == wanted
            assert answer["total"] == 2
    assert get(as_viewer, status="ringing,dialing")["total"] == 2


def test_outcome_filters_in_every_order_and_beside_a_status(as_viewer: APIClient, line: Line) -> None:
    make_call(workspace=line.workspace, pbx=line.pbx, status=CallStatus.RINGING)
    answered, voicemail, busy, no_answer = (
        make_call(workspace=line.workspace, pbx=line.pbx, status=status, outcome=outcome).pk
        for status, outcome in (
            (CallStatus.DONE, "answered"), (CallStatus.DONE, "voicemail"),
            (CallStatus.FAILED, "busy"), (CallStatus.FAILED, "no_answer"),
        )
    )  # fmt: skip
    for path in ("", "/pbx_abc123"):
        for cursor in ({}, {"since_id": 0}, {"since_version": 0}):
            answer = get(as_viewer, path, outcome="voicemail,busy", **cursor)
            assert sorted(ids(answer)) == [voicemail, busy]
            assert answer["total"] == 2
    assert ids(get(as_viewer, outcome="answered,no_answer", status="failed")) == [no_answer]
    assert ids(get(as_viewer, outcome="answered", status="done")) == [answered]
    assert as_viewer.get("/telephony/journal?outcome=sold").status_code == 422


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({"date_from": "2026-05-04"}, [1, 2, 3]),
        ({"date_to": "2026-05-03"}, [0]),
        ({"date_from": "2026-05-04", "date_to": "2026-05-04"}, [1, 2]),
        ({"date_from": "2026-05-04T12:00:00Z"}, [1, 2, 3]),
        ({"date_from": "2026-05-04T12:00:00.000001Z"}, [2, 3]),
        ({"date_to": "2026-05-04T12:00:00Z"}, [0, 1]),
        ({"date_to": "2026-05-04T14:00:00+02:00"}, [0, 1]),
        ({"date_to": "2026-05-04T14:00:00 02:00"}, [0, 1]),
        ({"date_from": "2026-05-04 13:00", "date_to": "2026-05-04 18:00"}, [2]),
        ({"date_from": "2027-01-01"}, []),
        ({"date_to": "1999-12-31"}, []),
        ({"date_from": "2026-05-05", "date_to": "2026-05-04"}, []),
        ({"date_to": "9999-12-31"}, [0, 1, 2, 3]),
        ({"date_from": "0001-01-01"}, [0, 1, 2, 3]),
    ],
)
def test_dates_are_inclusive_and_in_utc(
    as_viewer: APIClient, line: Line, query: dict[str, str], wanted: list[int]
) -> None:
    moments = [DAY - timedelta(days=1), DAY, DAY + timedelta(hours=4), DAY + timedelta(days=1)]
    calls = [make_call(workspace=line.workspace, at=at) for at in moments]
    answer = get(as_viewer, **query)
    assert ids(answer) == newest_first([calls[place] for place in wanted])
    assert answer["total"] == len(wanted)


def test_the_calls_of_one_campaign_are_listed_beside_it(as_viewer: APIClient, line: Line) -> None:
    run = line.run()
    calls = [make_call(workspace=line.workspace, run=run, pbx=line.pbx, status=each) for each in ENDED]
    make_call(workspace=line.workspace, pbx=line.pbx)
    for path in ("", "/pbx_abc123"):
        for query in ({}, {"since_id": 0}, {"since_version": 0}):
            answer = get(as_viewer, path, parent_call_id=run.call_id, **query)
            assert sorted(ids(answer)) == [call.pk for call in calls]
            assert answer["total"] == 2
            assert [campaign["call_id"] for campaign in answer["campaigns"]] == [run.call_id]
    assert get(as_viewer, parent_call_id=run.call_id, status="failed")["total"] == 1


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("0100199", True),
        ("apples", True),
        ("PEARS", True),
        ("груши", True),
        ('say "hi"', True),
        ("100%", True),
        ("1_0%", False),
        ("\\", False),
        ("nothing of the kind", False),
        ("conv_1", True),
        ("conv_", False),
    ],
)
def test_text_is_found_in_number_summary_and_transcript(as_viewer: APIClient, line: Line, q: str, found: bool) -> None:
    make_call(workspace=line.workspace)
    call = make_call(
        workspace=line.workspace,
        subscriber_phone="+15550100199",
        summary="Likes apples, 100%.",
        transcript='[{"role":"user","message":"pears, груши; say \\"hi\\"","time_in_call_secs":1.5}]',
        conversation_id="conv_1",
    )
    answer = get(as_viewer, q=q)
    assert ids(answer) == ([call.pk] if found else [])
    assert answer["total"] == len(answer["calls"])


def test_who_asks_again_and_finds_nothing_new_costs_one_statement(as_viewer: APIClient, line: Line) -> None:
    make_call(workspace=line.workspace, pbx=line.pbx)
    at = get(as_viewer, "/pbx_abc123")["max_id"]
    first = get(as_viewer, "/pbx_abc123", since_id=at)
    with CaptureQueriesContext(connection) as queries:
        assert get(as_viewer, "/pbx_abc123", since_id=at) == first
    assert len(queries) == 1, [query["sql"] for query in queries]


def test_pages_go_back_and_deltas_go_on(as_viewer: APIClient, line: Line) -> None:
    calls = [make_call(workspace=line.workspace, pbx=line.pbx) for _ in range(5)]
    newest = get(as_viewer, "/pbx_abc123", limit=2)
    assert ids(newest) == newest_first(calls[3:])
    assert newest["has_more"] is True
    assert ids(get(as_viewer, "/pbx_abc123", limit=9, before_id=calls[3].pk)) == newest_first(calls[:3])
    assert get(as_viewer, "/pbx_abc123", since_id=newest["max_id"])["calls"] == []
    later = make_call(workspace=line.workspace, pbx=line.pbx)
    assert ids(get(as_viewer, "/pbx_abc123", since_id=newest["max_id"])) == [later.pk]
    assert ids(get(as_viewer, "/pbx_abc123", since_version=newest["max_version"])) == [later.pk]


def test_totals_are_of_all_that_matches_and_not_of_the_page(as_viewer: APIClient, line: Line) -> None:
    for _ in range(3):
        make_call(workspace=line.workspace, duration_sec=7)
    for query in ({"limit": 1}, {"since_id": 10**6}, {"since_version": 10**6}, {"before_id": 1}):
        answer = get(as_viewer, **query)
        assert (answer["total"], answer["total_duration_sec"]) == (3, 21)


def test_unfinished_campaigns_are_told_before_their_first_call(as_viewer: APIClient, line: Line) -> None:
    run = line.run()
    RunProgress.objects.filter(pk=run.pk).update(numbers_count=50, pending=0, success=38, failed=12, child_count=50)
    answer = get(as_viewer)
    [campaign] = answer["campaigns"]
    assert answer["calls"] == []
    assert [campaign[name] for name in ("numbers_count", "child_count", "success_count", "failed_count")] == [
        50, 50, 38, 12,
    ]  # fmt: skip


def test_one_call_is_told_as_in_the_list(as_viewer: APIClient, line: Line) -> None:
    call = make_call(workspace=line.workspace, run=line.run(), pbx=line.pbx, summary="Yes.", transcript=TRANSCRIPT)
    [listed] = get(as_viewer)["calls"]
    assert get(as_viewer, f"/call/{call.call_id}") == listed


@pytest.mark.parametrize("call_id", ["call_nowhere", "%00", "x" * 300, "12"])
def test_an_unknown_call_is_not_found(as_viewer: APIClient, line: Line, call_id: str) -> None:
    assert as_viewer.get(f"/telephony/journal/call/{call_id}").status_code == 404


BAD_QUERIES = [
    "limit=none", "limit=0", "limit=-5", "limit=1001", "limit=1.5", "limit=%00", "limit=99999999999999999999999",
    "since_id=x", "since_id=-1", "since_id=99999999999999999999", "since_version=1e9", "before_id=%D9%A1",
    "since_id=1&since_version=1", "since_id=1&before_id=1",
    "date_from=yesterday", "date_to=2026-13-01", "date_from=2026-02-30", "date_to=12", "date_from=%00",
    "date_to=9999-12-31T23:59:59-12:00", "date_from=0001-01-01T00:00:00%2B12:00",
    "status=ended", "status=done,ended", "status=%00", "q=%00", "q=" + "x" * 201, "parent_call_id=%00",
    "workspace_id=one", "workspace_id=%00", "workspace_id=1,2",
]  # fmt: skip


@pytest.mark.parametrize("path", ["", "/pbx_abc123"])
def test_bad_queries_are_refused_with_a_sentence(
    as_viewer: APIClient, line: Line, path: str, subtests: pytest.Subtests
) -> None:
    for query in BAD_QUERIES:
        with subtests.test(query=query):
            response = as_viewer.get(f"/telephony/journal{path}?{query}")
            assert response.status_code == 422
            assert response.json()["detail"].endswith((".", ".)"))


NOT_THERE = [
    "?workspace_id=99999999", "?workspace_id=99999999999999999999999", "?node_id=nowhere", "/nowhere",
    "?parent_call_id=camp_nowhere", "/pbx_abc123?workspace_id=99999999", "/" + "x" * 300,
]  # fmt: skip


def test_what_is_not_there_is_not_found(as_viewer: APIClient, line: Line, subtests: pytest.Subtests) -> None:
    for address in NOT_THERE:
        with subtests.test(address=address):
            assert as_viewer.get(f"/telephony/journal{address}").status_code == 404


def test_parameters_left_empty_count_as_left_out(as_viewer: APIClient, line: Line) -> None:
    make_call(workspace=line.workspace)
    names = ("workspace_id", "node_id", "date_from", "date_to", "status", "q", "since_id", "limit", "parent_call_id")
    assert get(as_viewer, **dict.fromkeys(names, ""))["total"] == 1


def test_a_member_of_nothing_sees_an_empty_journal(client_for: Any, stranger: User) -> None:
    answer = get(client_for(stranger))
    assert (answer["total"], answer["calls"], answer["campaigns"]) == (0, [], [])
