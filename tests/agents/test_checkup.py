"""An agent tried out over HTTP: what works, what does not, and what could therefore not be tried."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
from django.contrib.auth.models import User
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from agents import checkup
from agents.checkup import required_variables
from agents.configuration import read_configuration
from aispinner.core.models import Workspace
from integrations.models import ElevenLabsKey, KeyStatus
from tests.factories import make_key
from tests.integrations.conftest import Sim
from tests.integrations.wire import closed_port

Clients = Callable[[User], APIClient]
TEST = "/integrations/elevenlabs/agents/test"
PUBLISHED = {"elevenlabs_agent_id": "agent_xyz"}
NAMES = ["config_readable", "voice_and_model", "required_variables", "conversation_opens", "first_words"]
QUICK = {"words_per_second": 40, "think_ms": 10}


@pytest.fixture
def key(workspace: Workspace) -> ElevenLabsKey:
    return make_key(workspace=workspace, key="sk_test_0001")


@pytest.fixture
def try_out(sim: Sim, key: ElevenLabsKey, editor: User, client_for: Clients) -> Callable[..., Any]:
    """POST the test as an editor and take the answer apart: {name: (ok, detail)}, first words."""
    sim.control("sockets", {"*": QUICK})
    client = client_for(editor)

    def post(**more: Any) -> tuple[dict[str, tuple[bool | None, str]], Any]:
        response = client.post(TEST, {**PUBLISHED, **more}, format="json")
        assert response.status_code == 200, response.json()
        body = response.json()
        assert [check["name"] for check in body["checks"]] == NAMES
        assert body["ok"] == all(check["ok"] for check in body["checks"])
        return {check["name"]: (check["ok"], check["detail"]) for check in body["checks"]}, body

    return post


def changes(sim: Sim, **conversation_config: Any) -> None:
    """The agent is changed at ElevenLabs."""
    requests.patch(
        f"{sim.url}/v1/convai/agents/agent_xyz",
        json={"conversation_config": conversation_config},
        headers={"xi-api-key": "sk_test_0001"},
        timeout=5,
    ).raise_for_status()


def test_an_agent_that_works_is_told_by_its_first_words(try_out: Callable[..., Any], workspace: Workspace) -> None:
    checks, body = try_out()
    assert all(ok for ok, _ in checks.values())
    assert (body["ok"], body["elevenlabs_agent_id"], body["workspace_id"]) == (True, "agent_xyz", workspace.pk)
    assert body["first_words"] == "Hello there, this is Ava from Northwind Services. Do you have a minute?"
    assert all(isinstance(check["duration_ms"], int) for check in body["checks"])
    assert body["checks"][0]["duration_ms"] > 0
    assert all(detail.endswith(".") for _, detail in checks.values())


def test_variables_of_a_recipient_are_used(try_out: Callable[..., Any]) -> None:
    _, body = try_out(variables={"name": "Ada", "company": "Contoso"})
    assert body["first_words"].startswith("Hello Ada, this is Ava from Contoso.")


def test_a_variable_that_nobody_knows_is_named_and_no_call_is_tried(sim: Sim, try_out: Callable[..., Any]) -> None:
    changes(
        sim,
        agent={
            "first_message": "Hello {{ first }}, {{name}} of {{system__agent_id}}",
            "prompt": {"prompt": "Speak to {{first}} about {{topic}}."},
        },
    )
    checks, body = try_out()
    ok, detail = checks["required_variables"]
    assert (ok, body["ok"], body["first_words"]) == (False, False, "")
    assert "first (first message and prompt); topic (prompt)." in detail
    assert [checks[name] for name in NAMES[3:]] == [(None, "Not tried: required_variables failed.")] * 2
    assert sim.get("/v1/convai/conversations")["conversations"] == []
    checks, _ = try_out(variables={"first": "Ada", "topic": "tea"})
    assert all(ok for ok, _ in checks.values())


@pytest.mark.parametrize(
    ("config", "missing"),
    [
        ({"tts": {"voice_id": ""}}, "no voice."),
        ({"agent": {"prompt": {"llm": ""}}}, "no language model."),
        ({"tts": {"voice_id": ""}, "agent": {"prompt": {"llm": ""}}}, "no voice and no language model."),
    ],
)
def test_a_missing_voice_or_model_is_said(
    sim: Sim, try_out: Callable[..., Any], config: dict[str, Any], missing: str
) -> None:
    changes(sim, **config)
    checks, _ = try_out()
    assert checks["voice_and_model"][0] is False
    assert missing in checks["voice_and_model"][1]
    assert checks["required_variables"][0] is True
    assert checks["conversation_opens"] == (None, "Not tried: voice_and_model failed.")


def test_an_agent_that_only_writes_needs_no_voice(sim: Sim, try_out: Callable[..., Any]) -> None:
    changes(sim, tts={"voice_id": ""}, conversation={"text_only": True})
    checks, body = try_out()
    assert all(ok for ok, _ in checks.values())
    assert body["first_words"]


def test_an_agent_that_lets_others_begin_is_greeted(sim: Sim, try_out: Callable[..., Any]) -> None:
    sim.control("sockets", {"*": {**QUICK, "replies": ["How can I help?"]}})
    changes(sim, agent={"first_message": ""})
    checks, body = try_out()
    assert body["first_words"] == "How can I help?"
    assert "greeting" in checks["first_words"][1]


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [("silent", "sent nothing within 0.3 seconds"), ("llm_timeout", "language model did not answer in time")],
)
def test_an_agent_that_does_not_get_to_speak_is_told_apart(
    sim: Sim, try_out: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, fault: str, sentence: str
) -> None:
    monkeypatch.setattr(checkup, "FIRST_WORDS_WITHIN", 0.3)
    sim.control("sockets", {"*": {**QUICK, "fault": fault}})
    if fault == "llm_timeout":
        changes(sim, agent={"first_message": ""})
    checks, body = try_out()
    assert checks["conversation_opens"][0] is True
    assert checks["first_words"][0] is False
    assert sentence in checks["first_words"][1]
    assert body["ok"] is False


@pytest.mark.parametrize("endpoint", ["conversation.signed_url", "conversation.socket"])
def test_a_socket_that_does_not_open_is_said_and_the_words_are_not_tried(
    sim: Sim, try_out: Callable[..., Any], endpoint: str
) -> None:
    sim.fault("service_unavailable", endpoint=endpoint)
    checks, _ = try_out()
    assert checks["config_readable"][0] is True
    assert checks["conversation_opens"] == (False, "ElevenLabs cannot be reached. Try again in a moment.")
    assert checks["first_words"] == (None, "Not tried: conversation_opens failed.")


def test_full_lines_are_said(sim: Sim, try_out: Callable[..., Any]) -> None:
    changes(sim, agent={"first_message": "Hello."})
    sim.fault("concurrent_limit_exceeded", endpoint="conversation.socket")
    checks, _ = try_out()
    assert "busy" in checks["conversation_opens"][1]


def test_an_agent_that_nobody_has_is_422(sim: Sim, key: ElevenLabsKey, editor: User, client_for: Clients) -> None:
    response = client_for(editor).post(TEST, {"elevenlabs_agent_id": "agent_nowhere"}, format="json")
    assert response.status_code == 422
    assert response.json()["errors"] == {"elevenlabs_agent_id": [response.json()["detail"]]}


def test_a_refused_key_is_422_and_remembered(sim: Sim, workspace: Workspace, editor: User, client_for: Clients) -> None:
    client = client_for(editor)
    assert "POST /integrations/elevenlabs/keys" in client.post(TEST, PUBLISHED, format="json").json()["detail"]
    key = make_key(workspace=workspace, key="sk_invalid_1")
    response = client.post(TEST, PUBLISHED, format="json")
    assert response.status_code == 422
    assert "refuses the stored key" in response.json()["detail"]
    key.refresh_from_db()
    assert key.status == KeyStatus.REFUSED


def test_a_key_without_the_permission_is_422(sim: Sim, key: ElevenLabsKey, editor: User, client_for: Clients) -> None:
    sim.fault("missing_permissions", endpoint="agents.get")
    assert client_for(editor).post(TEST, PUBLISHED, format="json").status_code == 422


def test_while_elevenlabs_is_away_it_is_502(
    settings: Settings, key: ElevenLabsKey, editor: User, client_for: Clients
) -> None:
    with closed_port() as url:
        settings.ELEVENLABS_BASE_URL = url
        assert client_for(editor).post(TEST, PUBLISHED, format="json").status_code == 502


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ([], 422),
        ({"elevenlabs_agent_id": 7}, 422),
        ({"elevenlabs_agent_id": "x" * 101}, 422),
        ({**PUBLISHED, "workspace_id": "first"}, 422),
        ({**PUBLISHED, "workspace_id": 999_999}, 404),
        ({**PUBLISHED, "variables": ["name"]}, 422),
        ({**PUBLISHED, "variables": {"name": {}}}, 422),
        ({**PUBLISHED, "variables": {"name": "x" * 2001}}, 422),
        ({**PUBLISHED, "variables": {f"v{n}": n for n in range(101)}}, 422),
    ],
)
def test_what_makes_no_sense_is_refused_before_anybody_is_asked(
    sim: Sim, key: ElevenLabsKey, editor: User, client_for: Clients, body: Any, status: int
) -> None:
    response = client_for(editor).post(TEST, body, format="json")
    assert response.status_code == status
    assert response.json()["detail"]
    assert sim.get("/_sim/sockets")["conversations"] == []


def test_viewers_and_strangers_test_nothing(
    key: ElevenLabsKey,
    workspace: Workspace,
    other_workspace: Workspace,
    viewer: User,
    stranger: User,
    client_for: Clients,
) -> None:
    body = {**PUBLISHED, "workspace_id": workspace.pk}
    assert client_for(viewer).post(TEST, body, format="json").status_code == 403
    assert client_for(stranger).post(TEST, body, format="json").status_code == 404
    assert client_for(stranger).post(TEST, PUBLISHED, format="json").status_code == 422  # no key of their own
    assert APIClient().post(TEST, body, format="json").status_code == 401


def test_required_variables_are_read_from_what_is_said() -> None:
    words = {"first_message": "{{a}} {{ b }} {{a}} {{system__time_utc}} {c} {{d-e}}", "prompt": {"prompt": "{{b}}"}}
    configuration = read_configuration({"conversation_config": {"agent": words}})
    assert required_variables(configuration) == {"a": ["first message"], "b": ["first message", "prompt"]}
