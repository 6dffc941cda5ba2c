"""Campaigns over HTTP: listed, shaped, renamed, paused, resumed, cancelled."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from aispinner.core.models import Role, Workspace
from telephony.models import Recipient, RecipientStatus, Run, RunProgress, RunStatus
from tests.api.conftest import Line
from tests.factories import make_member, make_node, make_run, make_workspace

pytestmark = pytest.mark.django_db

FIELDS = {
    "call_id", "name", "status", "workspace_id", "node_id", "agent_node_id", "max_concurrent", "pacing", "voice_stack",
    "numbers_count", "pending_count", "remaining_count", "in_flight_count", "success_count", "failed_count",
    "cancelled_count", "child_count", "total_duration_sec", "wait_reason", "next_attempt_at", "chunks_total",
    "chunks_done", "created_at", "started_at", "finished_at", "pruned_at", "version",
}  # fmt: skip
COUNTS = ("pending_count", "in_flight_count", "success_count", "failed_count", "cancelled_count")


def call_ids(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [run["call_id"] for run in response.json()["runs"]]


def test_a_campaign_has_every_field_and_its_counts_add_up(as_viewer: APIClient, line: Line) -> None:
    run = line.run()
    RunProgress.objects.filter(pk=run.pk).update(
        numbers_count=15, pending=1, in_flight=2, success=3, failed=4, cancelled=5
    )
    answer = as_viewer.get(f"/telephony/runs/{run.call_id}").json()
    assert set(answer) == FIELDS
    assert sum(answer[count] for count in COUNTS) == answer["numbers_count"] == 15
    assert answer["remaining_count"] == answer["pending_count"]
    assert (answer["node_id"], answer["agent_node_id"]) == ("pbx_abc123", "agent_xyz")
    assert answer["workspace_id"] == line.workspace.pk


def test_runs_are_listed_newest_first_and_paged(as_viewer: APIClient, line: Line) -> None:
    runs = [line.run(status=RunStatus.PAUSED).call_id for _ in range(3)]
    first = as_viewer.get("/telephony/runs?limit=2")
    assert call_ids(first) == [runs[2], runs[1]]
    assert first.json()["total"] == 3
    assert call_ids(as_viewer.get(f"/telephony/runs?limit=2&before={runs[1]}")) == [runs[0]]


def test_the_published_filters_narrow_the_list(as_viewer: APIClient, line: Line, viewer: Any) -> None:
    elsewhere = make_workspace("Second")
    make_member(workspace=elsewhere, user=viewer)
    other_node = make_run(workspace=line.workspace)
    other_workspace = make_run(workspace=elsewhere)
    mine = line.run(status=RunStatus.PAUSED)
    workspace = line.workspace.pk
    everything = call_ids(as_viewer.get("/telephony/runs"))
    assert everything == [mine.call_id, other_workspace.call_id, other_node.call_id]
    in_one = call_ids(as_viewer.get(f"/telephony/runs?workspace_id={workspace}&limit=100"))
    assert in_one == [mine.call_id, other_node.call_id]
    on_node = f"/telephony/runs?workspace_id={workspace}&node_id=pbx_abc123&limit=100"
    assert call_ids(as_viewer.get(on_node)) == [mine.call_id]
    assert call_ids(as_viewer.get("/telephony/runs?status=paused,completed")) == [mine.call_id]


def test_resumable_campaigns_tell_their_remaining_numbers_in_order(as_viewer: APIClient, line: Line) -> None:
    line.run()
    paused = line.run(status=RunStatus.PAUSED, numbers=["+15550100123", "+15550100122", "+15550100121"])
    first = Recipient.objects.filter(run=paused).order_by("position").first()
    Recipient.objects.filter(pk=first.pk).update(status=RecipientStatus.SUCCESS)  # type: ignore[union-attr]
    answer = as_viewer.get(f"/telephony/runs/resumable?workspace_id={line.workspace.pk}").json()
    [run] = answer["runs"]
    assert (answer["total"], run["call_id"]) == (1, paused.call_id)
    assert run["remaining_numbers"] == ["+15550100122", "+15550100121"]
    assert set(run) == FIELDS | {"remaining_numbers"}


BAD_QUERIES = [
    "limit=none", "limit=0", "limit=-1", "limit=1001", "limit=1e3", "limit=99999999999999999999999", "limit=%00",
    "status=failed", "status=%00", "workspace_id=one", "workspace_id=1.5", "workspace_id=%00", "node_id=%00",
    "node_id=" + "x" * 101,
]  # fmt: skip


def test_bad_queries_are_refused_with_a_sentence(as_viewer: APIClient, line: Line, subtests: pytest.Subtests) -> None:
    for query in BAD_QUERIES:
        with subtests.test(query=query):
            response = as_viewer.get(f"/telephony/runs?{query}")
            assert response.status_code == 422
            assert response.json()["detail"].endswith(".")


@pytest.mark.parametrize("query", ["workspace_id=99999999", "node_id=nowhere", "before=camp_nowhere", "before=%00"])
def test_what_is_not_there_is_404(as_viewer: APIClient, line: Line, query: str) -> None:
    assert as_viewer.get(f"/telephony/runs?{query}").status_code in {404, 422}


def test_before_cannot_name_a_campaign_of_others(as_viewer: APIClient, line: Line, other_workspace: Workspace) -> None:
    theirs = make_run(workspace=other_workspace)
    assert as_viewer.get(f"/telephony/runs?before={theirs.call_id}").status_code == 404


@pytest.mark.parametrize("call_id", ["camp_nowhere", "x" * 300, "%00", "call_1", "%F0%9F%93%9E", "..%2f.."])
def test_an_unknown_campaign_is_not_found(as_viewer: APIClient, call_id: str) -> None:
    response = as_viewer.get(f"/telephony/runs/{call_id}")
    assert response.status_code == 404
    assert response.json()["detail"]


def test_a_campaign_is_renamed(as_editor: APIClient, line: Line) -> None:
    run = line.run()
    response = as_editor.patch(f"/telephony/runs/{run.call_id}/name", {"name": "Q2 outbound — VIP list"}, format="json")
    assert response.status_code == 200
    assert response.json()["name"] == "Q2 outbound — VIP list"
    assert response.json()["version"] > run.progress.version
    assert Run.objects.get(pk=run.pk).name == "Q2 outbound — VIP list"


@pytest.mark.parametrize("body", [{}, {"name": None}, {"name": " "}, {"name": 5}, {"name": "x" * 201}, {"nmae": "x"}])
def test_a_name_that_is_none_is_refused(as_editor: APIClient, line: Line, body: dict[str, Any]) -> None:
    run = line.run(name="before")
    response = as_editor.patch(f"/telephony/runs/{run.call_id}/name", body, format="json")
    assert response.status_code == 422
    assert Run.objects.get(pk=run.pk).name == "before"


def test_pausing_and_resuming_answer_with_the_campaign(as_editor: APIClient, line: Line) -> None:
    run = line.run()
    paused = as_editor.post(f"/telephony/runs/{run.call_id}/pause").json()
    assert paused["status"] in {"pausing", "paused"}
    assert set(paused) == FIELDS
    Run.objects.filter(pk=run.pk).update(status=RunStatus.PAUSED)
    resumed = as_editor.post(f"/telephony/runs/{run.call_id}/resume").json()
    assert resumed["status"] == "running"


def test_resuming_what_is_not_paused_conflicts(as_editor: APIClient, line: Line) -> None:
    run = line.run()
    assert as_editor.post(f"/telephony/runs/{run.call_id}/resume").status_code == 409


def test_cancelling_cancels_at_once(as_editor: APIClient, line: Line) -> None:
    run = line.run()
    answer = as_editor.post(f"/telephony/runs/{run.call_id}/cancel", {"hangup": False}, format="json").json()
    assert (answer["status"], answer["pending_count"], answer["cancelled_count"]) == ("cancelled", 0, 2)


def test_cancelling_says_that_live_calls_end_by_themselves(as_editor: APIClient, line: Line) -> None:
    run = line.run()
    RunProgress.objects.filter(pk=run.pk).update(pending=1, in_flight=1)
    Recipient.objects.filter(run=run, position=0).update(status=RecipientStatus.IN_FLIGHT)
    answer = as_editor.post(f"/telephony/runs/{run.call_id}/cancel", {"hangup": True}, format="json").json()
    assert "by themselves" in answer["detail"]


@pytest.mark.parametrize("body", [{"hangup": "yes"}, {"hang_up": True}, [True]])
def test_a_cancel_that_cannot_be_read_cancels_nothing(as_editor: APIClient, line: Line, body: Any) -> None:
    run = line.run()
    assert as_editor.post(f"/telephony/runs/{run.call_id}/cancel", body, format="json").status_code == 422
    assert Run.objects.get(pk=run.pk).status == RunStatus.RUNNING


def test_an_editor_elsewhere_is_only_what_they_are_here(as_editor: APIClient, editor: Any) -> None:
    workspace = make_workspace("Third")
    make_member(workspace=workspace, user=editor, role=Role.VIEWER)
    run = make_run(workspace=workspace, node=make_node(workspace=workspace))
    assert as_editor.get(f"/telephony/runs/{run.call_id}").status_code == 200
    assert as_editor.post(f"/telephony/runs/{run.call_id}/pause").status_code == 403
