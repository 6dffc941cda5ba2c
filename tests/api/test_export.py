"""CSV over HTTP: asked for by `format` or `Accept`, with every filter; refusals stay JSON."""

from __future__ import annotations

import csv
from io import StringIO

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from aispinner.core.auth import issue_token
from aispinner.core.models import AuditEntry
from telephony.models import CallStatus
from tests.api.conftest import Line
from tests.factories import make_run
from tests.journal.rows import make_call

pytestmark = pytest.mark.django_db


def rows(response: object) -> list[dict[str, str]]:
    assert response.status_code == 200  # type: ignore[attr-defined]
    assert response["Content-Type"] == "text/csv; charset=utf-8"  # type: ignore[index]
    text = b"".join(response.streaming_content).decode()  # type: ignore[attr-defined]
    return list(csv.DictReader(StringIO(text, newline="")))


def test_the_journal_is_csv_by_format_or_by_accept_and_longer_than_a_page_may_be(
    as_owner: APIClient, line: Line
) -> None:
    for _ in range(3):
        make_call(workspace=line.workspace, pbx=line.pbx)
    by_format = as_owner.get("/telephony/journal?format=csv&limit=5000")
    assert 'attachment; filename="journal-' in by_format["Content-Disposition"]
    assert len(rows(by_format)) == 3
    assert len(rows(as_owner.get("/telephony/journal", headers={"Accept": "text/csv"}))) == 3
    assert len(rows(as_owner.get(f"/telephony/journal/{line.pbx.node_id}?format=csv&limit=2"))) == 2


def test_filters_apply_to_csv(as_owner: APIClient, line: Line) -> None:
    failed = make_call(workspace=line.workspace, pbx=line.pbx, status=CallStatus.FAILED)
    make_call(workspace=line.workspace, pbx=line.pbx)
    found = rows(as_owner.get("/telephony/journal?format=csv&status=failed"))
    assert [row["call_id"] for row in found] == [failed.call_id]


def test_a_campaigns_results_are_a_file(as_owner: APIClient, line: Line) -> None:
    run = make_run(workspace=line.workspace, numbers=["+15550100123", "+15550100124"])
    response = as_owner.get(f"/telephony/runs/{run.call_id}/results.csv", headers={"Accept": "text/csv"})
    assert run.call_id in response["Content-Disposition"]
    assert [row["status"] for row in rows(response)] == ["pending", "pending"]


def test_who_took_a_file_is_written_down_with_the_token(owner: User, line: Line) -> None:
    _, text = issue_token(user=owner, name="spreadsheet")
    run = make_run(workspace=line.workspace, numbers=["+15550100123"])
    client = APIClient(headers={"Authorization": f"Bearer {text}"})
    rows(client.get(f"/telephony/runs/{run.call_id}/results.csv"))
    rows(client.get(f"/telephony/journal/{line.pbx.node_id}?format=csv"))
    client.get("/telephony/journal")
    client.get("/telephony/journal?format=csv&status=x")
    taken = AuditEntry.objects.filter(action__endswith=".exported").order_by("pk")
    assert list(taken.values_list("action", "object_id", "user", "token_name")) == [
        ("campaign.exported", run.call_id, owner.pk, "spreadsheet"),
        ("journal.exported", str(line.workspace.pk), owner.pk, "spreadsheet"),
    ]


@pytest.mark.parametrize(
    ("query", "status"), [("format=xml", 422), ("format=csv&status=x", 422), ("format=csv&workspace_id=999", 404)]
)
def test_a_refusal_is_json(as_owner: APIClient, line: Line, query: str, status: int) -> None:
    response = as_owner.get(f"/telephony/journal?{query}")
    assert response.status_code == status
    assert response["Content-Type"] == "application/json"
    assert response.json()["detail"].endswith(".")
