"""Every page of the admin opens, says something sensible when there is nothing, and shows no secret."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from aispinner.core.models import Workspace
from integrations.models import ElevenLabsKey
from telephony.models import Call, Run, RunStatus
from tests.admin.conftest import PLANTED, World, make_call, make_ended_call

pytestmark = pytest.mark.django_db

MODELS = (
    "integrations_elevenlabskey",
    "integrations_account",
    "integrations_phoneprovider",
    "integrations_webhookendpoint",
    "integrations_webhookreceipt",
    "agents_agent",
    "telephony_telephonysettings",
    "telephony_run",
    "telephony_call",
)


def page(browser: Client, name: str, *args: object) -> str:
    response = browser.get(reverse(f"admin:{name}", args=args))
    assert response.status_code == 200, name
    return response.content.decode()


@pytest.mark.parametrize("model", MODELS)
def test_a_list_with_nothing_in_it_says_so_and_what_to_do(browser: Client, model: str) -> None:
    assert "tp-nothing" in page(browser, f"{model}_changelist")


@pytest.mark.parametrize("model", MODELS)
def test_a_list_and_a_page_open_and_show_no_secret(browser: Client, world: World, model: str) -> None:
    listed = page(browser, f"{model}_changelist")
    opened = page(browser, f"{model}_change", world.ids[model])
    assert "tp-nothing" not in listed
    assert PLANTED not in listed + opened


@pytest.mark.parametrize("model", MODELS)
def test_no_search_finds_a_row_by_its_secret(browser: Client, world: World, model: str) -> None:
    changelist = browser.get(reverse(f"admin:{model}_changelist"), {"q": PLANTED}).context["cl"]
    assert not changelist.search_fields or list(changelist.result_list) == []


def test_the_dashboard_of_an_empty_server_says_what_to_do_first(browser: Client) -> None:
    text = page(browser, "index")
    assert "First steps" in text
    assert reverse("admin:integrations_elevenlabskey_add") in text


def test_the_dashboard_shows_campaigns_calls_and_keys_but_no_secret(browser: Client, world: World) -> None:
    text = page(browser, "index")
    assert "Spring survey" in text
    assert "+15550100123" in text
    assert "…9a2c" in text
    assert PLANTED not in text


@pytest.mark.parametrize("period", ["hours", "days"])
def test_the_dashboard_draws_the_calls_of_a_period(browser: Client, world: World, period: str) -> None:
    response = browser.get(reverse("admin:index"), {"period": period})
    assert "Answered: 1" in response.content.decode()


def test_the_dashboard_is_asked_for_again_in_parts(browser: Client, world: World) -> None:
    answer = browser.get(reverse("admin:telephony_dashboard_live")).json()
    assert set(answer["parts"]) == {
        *("figures", "attention", "chart", "rates", "running", "calls", "health", "processes"),
    }


@pytest.mark.parametrize("status", list(RunStatus))
def test_a_campaign_can_be_looked_at_in_every_state(browser: Client, world: World, status: RunStatus) -> None:
    Run.objects.filter(pk=world.run.pk).update(status=status, wait_reason="something_new")
    assert status.label in page(browser, "telephony_run_change", world.run.pk)
    page(browser, "telephony_run_changelist")


def test_a_campaign_that_waits_says_why_and_what_to_do(browser: Client, paused: Run) -> None:
    text = page(browser, "telephony_run_change", paused.pk)
    assert "Credits used up" in text
    assert "Top it up, then resume." in text


def test_a_campaigns_page_is_asked_for_again_until_it_has_ended(browser: Client, world: World) -> None:
    address = reverse("admin:telephony_run_live", args=(world.run.pk,))
    assert address in page(browser, "telephony_run_change", world.run.pk)
    assert browser.get(address).json()["live"] is True
    Run.objects.filter(pk=world.run.pk).update(status=RunStatus.COMPLETED)
    assert address not in page(browser, "telephony_run_change", world.run.pk)
    assert browser.get(address).json()["live"] is False


def test_the_list_of_campaigns_moves(browser: Client, world: World) -> None:
    answer = browser.get(reverse("admin:telephony_run_live_list"), {"ids": f"{world.run.pk},x,,99"}).json()
    assert answer["live"] is True
    assert f"progress-{world.run.pk}" in answer["parts"]


def test_a_conversation_reads_agent_left_and_caller_right_with_the_time(browser: Client, world: World) -> None:
    text = page(browser, "telephony_call_change", world.call.pk)
    assert text.index('class="tp-agent"') < text.index("Good morning.") < text.index('class="tp-caller"')
    assert "Person · 0:02" in text


def test_the_recording_is_played_with_a_token_for_that_call_alone(browser: Client, world: World) -> None:
    assert f"/telephony/calls/{world.call.call_id}/audio?token=" in page(
        browser, "telephony_call_change", world.call.pk
    )


@pytest.mark.parametrize("transcript", ["[]", "", "not json", "{}", '[1, {"role": "agent"}, {"message": 3}, null]'])
def test_a_transcript_that_says_nothing_breaks_nothing(browser: Client, world: World, transcript: str) -> None:
    call = make_ended_call(workspace=world.workspace, transcript=transcript)
    assert "kept no transcript" in page(browser, "telephony_call_change", call.pk)


def test_a_call_that_goes_on_is_asked_for_again(browser: Client, world: World) -> None:
    call = make_call(workspace=world.workspace, status="ringing")
    address = reverse("admin:telephony_call_live", args=(call.pk,))
    assert address in page(browser, "telephony_call_change", call.pk)
    assert browser.get(address).json()["live"] is True


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("pk", ["999999", "nonsense", "9" * 40])
def test_a_row_that_is_not_there_leads_back_without_an_error(browser: Client, model: str, pk: str) -> None:
    assert browser.get(f"/admin/{model.replace('_', '/')}/{pk}/change/").status_code in {302, 404}


@pytest.mark.parametrize(
    "filters",
    [
        {"outcome": "answered"},
        {"status": "done"},
        {"direction": "outbound"},
        {"created_at_from": "2020-01-01", "created_at_to": "2100-01-01"},
        {"q": "+1 (555) 010-0123"},
    ],
)
def test_calls_are_found_by_filters_and_whole_numbers(browser: Client, world: World, filters: dict[str, str]) -> None:
    assert world.call in _calls(browser, filters)


@pytest.mark.parametrize(
    "filters",
    [
        {"outcome": "busy"},
        {"status": "failed"},
        {"direction": "web"},
        {"created_at_from": "2100-01-01"},
        {"created_at_to": "2020-01-01"},
        {"run": "999999"},
        {"run": "x"},
        {"q": "+15550100199"},
        {"q": "conv_unknown"},
    ],
)
def test_calls_that_do_not_match_are_left_out(browser: Client, world: World, filters: dict[str, str]) -> None:
    assert _calls(browser, filters) == []


def test_a_call_is_found_by_its_ids_and_its_campaign(browser: Client, world: World) -> None:
    Call.objects.filter(pk=world.call.pk).update(conversation_id="conv_1")
    make_call(workspace=world.workspace)
    for filters in ({"q": world.call.call_id}, {"q": "conv_1"}, {"run": str(world.run.pk)}):
        assert _calls(browser, filters) == [world.call]


def _calls(browser: Client, filters: dict[str, str]) -> list[Call]:
    response = browser.get(reverse("admin:telephony_call_changelist"), filters)
    assert response.status_code == 200
    return list(response.context["cl"].result_list)


def test_the_list_of_calls_counts_nothing_and_reads_no_transcript(browser: Client, world: World) -> None:
    with CaptureQueriesContext(connection) as queries:
        page(browser, "telephony_call_changelist")
    of_calls = [query["sql"] for query in queries if 'FROM "telephony_call"' in query["sql"]]
    assert of_calls
    assert not [sql for sql in of_calls if "COUNT(" in sql or '"transcript"' in sql or '"summary"' in sql]


HOSTILE = "<script>alert(1)</script>"


def test_what_comes_from_outside_is_escaped_everywhere(browser: Client, world: World) -> None:
    Run.objects.filter(pk=world.run.pk).update(name=HOSTILE, wait_reason=HOSTILE)
    Call.objects.filter(pk=world.call.pk).update(
        summary=HOSTILE,
        reason=HOSTILE,
        subscriber_phone="<img src=x>",
        transcript='[{"role": "user", "message": "<script>alert(1)</script>", "time_in_call_secs": 1}]',
    )
    world.call.events.update(type=HOSTILE, data={HOSTILE: HOSTILE})
    agent = world.run.agent
    agent.name = agent.prompt = agent.first_message = HOSTILE
    agent.tools, agent.raw_config = [{"name": HOSTILE, "description": HOSTILE}], {HOSTILE: HOSTILE}
    agent.save()
    node = world.run.node
    node.title = HOSTILE
    node.save()
    Workspace.objects.update(name=HOSTILE)
    ElevenLabsKey.objects.update(title=HOSTILE)
    pages = [page(browser, "index"), page(browser, "telephony_run_cancel", world.run.pk)]
    for model in MODELS:
        pages += [page(browser, f"{model}_changelist"), page(browser, f"{model}_change", world.ids[model])]
    for name in ("telephony_run_live", "telephony_call_live"):
        parts = browser.get(reverse(f"admin:{name}", args=(world.ids[name.removesuffix("_live")],))).json()["parts"]
        pages.append("".join(parts.values()))
    text = "".join(pages)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert HOSTILE not in text
    assert "<img src=x>" not in text
