"""The journal and a campaign's results as CSV: all that match, one by one, and nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO

import pytest

from aispinner.core.models import Workspace
from telephony.journal import export
from telephony.journal.delta import Cursor, Order
from telephony.journal.export import journal_csv, results_csv, safe_cell
from telephony.journal.filters import Filters
from telephony.journal.scope import scope_of_workspaces
from telephony.models import CallStatus, Recipient, RecipientStatus
from tests.factories import make_node, make_run, make_workspace
from tests.journal.rows import make_call

pytestmark = pytest.mark.django_db


def rows_of(parts: Iterator[bytes]) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(b"".join(parts).decode(), newline="")))


def exported(
    workspace: Workspace, *, cursor: Cursor | None = None, limit: int | None = None, **filters: object
) -> list[dict[str, str]]:
    scopes = scope_of_workspaces([workspace])
    wanted = Filters(**filters)  # type: ignore[arg-type]
    return rows_of(journal_csv(scopes=scopes, filters=wanted, cursor=cursor or Cursor(), limit=limit))


@pytest.fixture
def workspace() -> Workspace:
    return make_workspace()


@pytest.mark.parametrize("page", [1, 2, 7, 500])
def test_every_call_is_exported_once_newest_first_however_long_the_pages(
    workspace: Workspace, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE", page)
    calls = [make_call(workspace=workspace) for _ in range(7)]
    make_call(workspace=make_workspace())
    assert [int(row["id"]) for row in exported(workspace)] == [call.pk for call in reversed(calls)]
    assert [int(row["id"]) for row in exported(workspace, limit=3)] == [call.pk for call in reversed(calls[4:])]
    newer = Cursor(order=Order.ID, at=calls[2].pk)
    assert [int(row["id"]) for row in exported(workspace, cursor=newer)] == [call.pk for call in calls[3:]]
    changed = Cursor(order=Order.VERSION, at=calls[2].pk)
    assert [int(row["id"]) for row in exported(workspace, cursor=changed)] == [call.pk for call in calls[3:]]


def test_calls_that_come_while_it_is_read_are_not_in_it(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "PAGE", 2)
    calls = [make_call(workspace=workspace) for _ in range(4)]
    parts = journal_csv(scopes=scope_of_workspaces([workspace]), filters=Filters(), cursor=Cursor(), limit=None)
    begun = [next(parts), next(parts)]
    make_call(workspace=workspace)
    assert [int(row["id"]) for row in rows_of(iter([*begun, *parts]))] == [call.pk for call in reversed(calls)]


def test_a_row_says_what_the_journal_says(workspace: Workspace) -> None:
    run = make_run(workspace=workspace, name="VIP; “spring”")
    node = make_node(workspace=workspace, node_id="pbx_1")
    turns = '[{"role":"agent","message":"Hello, \\"you\\"!","time_in_call_secs":0},{"role":"user","message":"Ça va"}]'
    call = make_call(workspace=workspace, run=run, pbx=node, transcript=turns, summary="=1+1", has_audio=True)
    [row] = exported(workspace, statuses=(CallStatus.DONE,))
    assert tuple(row) == export.CALL_COLUMNS
    assert (row["call_id"], row["parent_call_id"], row["campaign"]) == (call.call_id, run.call_id, "VIP; “spring”")
    assert (row["node_id"], row["phone_node_id"]) == ("pbx_1", "")
    assert (row["subscriber_phone"], row["has_audio"], row["duration_sec"]) == ("+15550100123", "true", "10")
    assert row["transcript"] == 'agent: Hello, "you"!\nuser: Ça va'
    assert row["summary"] == "'=1+1"
    assert row["created_at"].endswith("Z")
    assert exported(workspace, statuses=(CallStatus.FAILED,)) == []


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "＝1", "+155501001234567890", "+"],  # noqa: RUF001
)
def test_what_a_spreadsheet_would_run_is_made_text(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["+15550100123", "", " ", "Hello = world", "a@b", -5, None])
def test_numbers_and_plain_text_stay_as_they_are(value: object) -> None:
    assert safe_cell(value) == value


def test_a_campaigns_results_have_a_row_for_each_number_also_for_those_never_dialled(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE", 2)
    numbers = [f"+1555010012{place}" for place in range(5)]
    run = make_run(workspace=workspace, numbers=numbers)
    make_run(workspace=workspace, numbers=numbers)
    called, taken_back, refused, *_ = Recipient.objects.filter(run=run).order_by("position")
    taken = make_call(workspace=workspace, run=run, recipient=called, status=CallStatus.CANCELLED)
    call = make_call(workspace=workspace, run=run, recipient=called, summary="They like apples.")
    make_call(workspace=workspace, run=run, recipient=taken_back, status=CallStatus.CANCELLED)
    cancelled = make_call(workspace=workspace, run=run, recipient=refused, status=CallStatus.CANCELLED)
    for recipient, status in ((called, RecipientStatus.SUCCESS), (refused, RecipientStatus.CANCELLED)):
        recipient.status, recipient.variables = status, {"name": "Ada"}
        recipient.save()
    rows = rows_of(results_csv(run_id=run.pk))
    assert tuple(rows[0]) == export.RESULT_COLUMNS
    assert [row["number"] for row in rows] == numbers
    assert [row["status"] for row in rows] == ["success", "pending", "cancelled", "pending", "pending"]
    assert [row["call_id"] for row in rows] == [call.call_id, "", cancelled.call_id, "", ""]
    assert (rows[0]["summary"], rows[0]["variables"]) == ("They like apples.", '{"name": "Ada"}')
    assert taken.call_id not in {row["call_id"] for row in rows}
