"""Starting a campaign: what is taken, what is refused and why, and that nothing is half-written."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from aispinner.core.models import NodeType
from telephony.models import Pacing, Recipient, Run, RunStatus
from tests.api.conftest import Line
from tests.factories import make_node

pytestmark = pytest.mark.django_db

GOOD = "+15550100123"


def start(client: APIClient, line: Line, headers: dict[str, str] | None = None, **body: Any) -> Any:
    data = {"workspace_id": line.workspace.pk, "node_id": "pbx_abc123", "numbers": [GOOD], **body}
    data = {key: value for key, value in data.items() if value is not ...}
    return client.post("/telephony/dialer/start", data, format="json", headers=headers)


def refused(response: Any) -> dict[str, list[str]]:
    """What is said to be wrong; nothing was written."""
    assert response.status_code == 422, response.content
    assert not Run.objects.exists()
    assert not Recipient.objects.exists()
    answer = response.json()
    assert answer["detail"].endswith((".", ".)"))
    errors: dict[str, list[str]] = answer.get("errors", {})
    return errors


def test_the_published_request_starts_a_campaign(as_editor: APIClient, line: Line) -> None:
    response = as_editor.post(
        "/telephony/dialer/start",
        {
            "workspace_id": line.workspace.pk,
            "node_id": "pbx_abc123",
            "numbers": ["+15551234567", "+15557654321"],
            "agent_node_id": "agent_xyz",
            "max_concurrent": 5,
        },
        format="json",
    )
    assert response.status_code == 200
    answer = response.json()
    assert answer["status"] == "running"
    assert answer["call_id"].startswith("camp_")
    run = Run.objects.get(call_id=answer["call_id"])
    assert (run.max_concurrent, run.pacing, run.agent) == (5, Pacing.CHUNKED, line.agent)
    assert list(run.recipients.order_by("position").values_list("number", flat=True)) == [
        "+15551234567",
        "+15557654321",
    ]


def test_the_workspace_may_be_left_out(as_editor: APIClient, line: Line) -> None:
    assert start(as_editor, line, workspace_id=...).status_code == 200


def test_a_number_twice_is_dialled_once_and_reported(as_editor: APIClient, line: Line) -> None:
    response = start(as_editor, line, numbers=[GOOD, "+1 (555) 010-0123", "+15550100124", GOOD])
    assert response.json()["duplicates"] == [GOOD]
    assert Recipient.objects.count() == 2


def test_recipients_bring_variables_for_the_agent(as_editor: APIClient, line: Line) -> None:
    recipients = [{"number": GOOD, "variables": {"name": "Ann", "age": 30, "vip": True}}, {"number": "+15550100124"}]
    response = start(as_editor, line, numbers=..., recipients=recipients)
    assert response.status_code == 200
    assert list(Recipient.objects.order_by("position").values_list("variables", flat=True)) == [
        {"name": "Ann", "age": 30, "vip": True},
        None,
    ]


def test_name_pacing_and_lines_are_taken_over(as_editor: APIClient, line: Line) -> None:
    start(as_editor, line, name=" Q2 ", pacing="continuous", max_concurrent=1000)
    run = Run.objects.get()
    assert (run.name, run.pacing, run.max_concurrent) == ("Q2", "continuous", 1000)


def test_each_bad_number_is_named_with_its_place(as_editor: APIClient, line: Line) -> None:
    errors = refused(start(as_editor, line, numbers=["12", GOOD, "nonsense", 15550100123, None, "", {}]))
    assert list(errors) == [f"numbers.{place}" for place in (0, 2, 3, 4, 5, 6)]


def test_a_bad_number_is_not_repeated_in_the_answer(as_editor: APIClient, line: Line) -> None:
    response = start(as_editor, line, numbers=["+155501001"])
    refused(response)
    assert "55501001" not in response.content.decode()


def test_of_many_bad_numbers_the_first_hundred_are_listed_and_the_rest_counted(
    as_editor: APIClient, line: Line
) -> None:
    errors = refused(start(as_editor, line, numbers=["x"] * 250))
    assert len(errors) == 101
    assert errors["numbers"] == ["150 more are wrong; only the first 100 are listed."]


BAD_INPUT: list[tuple[dict[str, Any], str]] = [
    ({"numbers": ...}, "numbers"),
    ({"numbers": []}, "numbers"),
    ({"numbers": GOOD}, "numbers"),
    ({"numbers": {"0": GOOD}}, "numbers"),
    ({"numbers": [{"number": GOOD}]}, "numbers.0"),
    ({"recipients": [{"number": GOOD}]}, "recipients"),
    ({"numbers": ..., "recipients": [GOOD, {"number": "1"}]}, "recipients.1.number"),
    ({"numbers": ..., "recipients": [{"variables": {}}]}, "recipients.0.number"),
    ({"numbers": ..., "recipients": [{"number": GOOD, "variables": {"a": {"b": 1}}}]}, "recipients.0"),
    ({"numbers": ..., "recipients": [{"number": GOOD, "variables": [1]}]}, "recipients.0"),
    ({"numbers": ..., "recipients": [{"number": GOOD, "nmae": "Ann"}]}, "recipients.0"),
    ({"max_concurrent": 0}, "max_concurrent"),
    ({"max_concurrent": 1001}, "max_concurrent"),
    ({"max_concurrent": "5"}, "max_concurrent"),
    ({"max_concurrent": 2.5}, "max_concurrent"),
    ({"max_concurrent": True}, "max_concurrent"),
    ({"pacing": "fast"}, "pacing"),
    ({"pacing": ["chunked"]}, "pacing"),
    ({"name": 5}, "name"),
    ({"name": "x" * 201}, "name"),
    ({"agent_node_id": 7}, "agent_node_id"),
    ({"node_id": ...}, "node_id"),
    ({"node_id": ["pbx_abc123"]}, "node_id"),
    ({"workspace_id": "one"}, "workspace_id"),
    ({"workspace_id": [1]}, "workspace_id"),
    ({"max_concurent": 5}, "max_concurent"),
]


def test_bad_input_is_refused_by_field(as_editor: APIClient, line: Line, subtests: pytest.Subtests) -> None:
    for body, field in BAD_INPUT:
        with subtests.test(body=body):
            assert field in refused(start(as_editor, line, **body))


def test_a_plain_list_of_numbers_among_recipients_is_fine(as_editor: APIClient, line: Line) -> None:
    assert start(as_editor, line, numbers=..., recipients=[GOOD]).status_code == 200


def test_more_than_a_hundred_thousand_numbers_are_too_many(as_editor: APIClient, line: Line) -> None:
    assert "numbers" in refused(start(as_editor, line, numbers=[GOOD] * 100_001))


NOT_THERE: list[tuple[dict[str, Any], int]] = [
    ({"workspace_id": 10**9}, 404),
    ({"workspace_id": 2**62}, 404),
    ({"workspace_id": 10**30}, 422),
    ({"workspace_id": -1}, 404),
    ({"node_id": "nowhere"}, 404),
    ({"node_id": "x" * 5000}, 404),
    ({"node_id": "pbx\0"}, 422),
    ({"node_id": "agent_xyz"}, 422),
    ({"agent_node_id": "nowhere"}, 422),
    ({"agent_node_id": "phone_abc"}, 422),
]


def test_what_is_not_there_is_refused(as_editor: APIClient, line: Line, subtests: pytest.Subtests) -> None:
    for body, status in NOT_THERE:
        with subtests.test(body=body):
            response = start(as_editor, line, **body)
            assert response.status_code == status
            assert response.json()["detail"]
            assert not Run.objects.exists()


def test_malformed_json_is_said_to_be_so(as_editor: APIClient, line: Line) -> None:
    response = as_editor.post("/telephony/dialer/start", b'{"numbers": [', content_type="application/json")
    assert response.status_code == 400


@pytest.mark.parametrize("body", [b"[]", b'"numbers"', b"7", b"true"])
def test_a_body_that_is_no_object_is_refused(as_editor: APIClient, line: Line, body: bytes) -> None:
    response = as_editor.post("/telephony/dialer/start", body, content_type="application/json")
    assert response.status_code == 422


def test_a_form_is_refused(as_editor: APIClient, line: Line) -> None:
    response = as_editor.post("/telephony/dialer/start", {"node_id": "pbx_abc123"}, format="multipart")
    assert response.status_code == 415


def test_a_pbx_without_agent_is_told_where_to_set_it(as_editor: APIClient, line: Line) -> None:
    line.pbx.connections.remove(line.agent_node)
    response = start(as_editor, line)
    refused(response)
    assert "agent" in response.json()["detail"]


def test_a_pbx_without_number_is_told_where_to_set_it(as_editor: APIClient, line: Line) -> None:
    make_node(workspace=line.workspace, node_id="bare", type=NodeType.PBX, connected_to=[line.agent_node])
    refused(start(as_editor, line, node_id="bare"))


def test_a_node_runs_one_campaign_at_a_time(as_editor: APIClient, line: Line) -> None:
    first = start(as_editor, line).json()["call_id"]
    response = start(as_editor, line)
    assert response.status_code == 409
    assert first in response.json()["detail"]
    assert Run.objects.count() == 1


def test_a_paused_campaign_blocks_nothing(as_editor: APIClient, line: Line) -> None:
    line.run(status=RunStatus.PAUSED)
    assert start(as_editor, line).status_code == 200


def test_the_same_key_and_body_get_the_same_answer_and_one_campaign(as_editor: APIClient, line: Line) -> None:
    key = {"Idempotency-Key": "monday"}
    first, second = (start(as_editor, line, headers=key) for _ in range(2))
    assert first.json() == second.json()
    assert Run.objects.count() == 1


def test_the_same_key_with_another_body_conflicts(as_editor: APIClient, line: Line) -> None:
    key = {"Idempotency-Key": "monday"}
    start(as_editor, line, headers=key)
    assert start(as_editor, line, headers=key, name="other").status_code == 409


def test_a_refused_start_leaves_the_key_free(as_editor: APIClient, line: Line) -> None:
    key = {"Idempotency-Key": "monday"}
    running = line.run()
    assert start(as_editor, line, headers=key).status_code == 409
    Run.objects.filter(pk=running.pk).update(status=RunStatus.PAUSED)
    assert start(as_editor, line, headers=key).status_code == 200


def test_an_exhausted_account_is_told_when_to_try_again(as_editor: APIClient, line: Line) -> None:
    from django.utils import timezone

    account = line.key.account
    account.exhausted_at = timezone.now()
    account.save()
    response = start(as_editor, line)
    assert response.status_code == 429
    assert 0 < int(response.headers["Retry-After"]) <= 300
    assert not Run.objects.exists()
