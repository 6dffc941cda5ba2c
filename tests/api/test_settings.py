"""Telephony settings: merged key by key, checked, and never showing a secret."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from aispinner.core.models import Workspace
from telephony.models import TelephonySettings

pytestmark = pytest.mark.django_db

PROVIDER = {
    "id": "ari_main",
    "kind": "ari",
    "url": "http://pbx.example.org:8088",
    "username": "aispinner",
    "password": "a secret word",
    "app": "aispinner",
    "endpoint": "PJSIP/{number}@trunk",
    "caller_id": "+15550100000",
    "calls_per_second": 2.5,
}


@pytest.fixture
def configured(workspace: Workspace) -> TelephonySettings:
    return TelephonySettings.objects.create(workspace=workspace, settings_json={"providers": [PROVIDER]})


def put(client: APIClient, changes: Any, **more: Any) -> Any:
    return client.put("/telephony/settings", {"settings_json": changes, **more}, format="json")


def stored(workspace: Workspace) -> Any:
    return TelephonySettings.objects.get(workspace=workspace).settings_json


def test_settings_that_were_never_set_are_empty(as_viewer: APIClient, workspace: Workspace) -> None:
    answer = as_viewer.get("/telephony/settings").json()
    assert answer == {"workspace_id": workspace.pk, "settings_json": {"providers": [], "has_sip_password": False}}


def test_the_published_request_names_the_default_provider(
    as_editor: APIClient, workspace: Workspace, configured: TelephonySettings
) -> None:
    response = put(as_editor, {"default_provider_id": "ari_main"})
    assert response.status_code == 200
    assert response.json()["settings_json"]["default_provider_id"] == "ari_main"
    assert stored(workspace)["providers"] == [PROVIDER]


def test_no_answer_shows_a_secret(as_editor: APIClient, workspace: Workspace) -> None:
    written = put(as_editor, {"providers": [PROVIDER], "sip_password": "another secret word"})
    read = as_editor.get("/telephony/settings")
    for response in (written, read):
        assert response.status_code == 200
        assert "secret word" not in response.content.decode()
        shown = response.json()["settings_json"]
        assert shown["has_sip_password"] is True
        assert shown["providers"][0]["has_password"] is True
    assert stored(workspace)["sip_password"] == "another secret word"


def test_what_was_shown_can_be_sent_back_without_losing_secrets(
    as_editor: APIClient, workspace: Workspace, configured: TelephonySettings
) -> None:
    shown = as_editor.get("/telephony/settings").json()["settings_json"]
    shown["providers"][0]["title"] = "Main PBX"
    assert put(as_editor, shown).status_code == 200
    assert stored(workspace)["providers"] == [{**PROVIDER, "title": "Main PBX"}]


def test_null_removes(as_editor: APIClient, workspace: Workspace, configured: TelephonySettings) -> None:
    put(as_editor, {"sip_server": "sip.example.org", "sip_port": 5060})
    put(as_editor, {"sip_server": None, "providers": [{**PROVIDER, "password": None}]})
    left = stored(workspace)
    assert "sip_server" not in left
    assert left["sip_port"] == 5060
    assert "password" not in left["providers"][0]


def test_a_provider_that_is_the_default_cannot_be_taken_away(
    as_editor: APIClient, workspace: Workspace, configured: TelephonySettings
) -> None:
    put(as_editor, {"default_provider_id": "ari_main"})
    assert put(as_editor, {"providers": []}).status_code == 422
    assert put(as_editor, {"providers": None, "default_provider_id": None}).status_code == 200


BAD_SETTINGS: list[tuple[dict[str, Any], str]] = [
    ({"default_provider_id": "nowhere"}, "default_provider_id"),
    ({"default_provider_id": 7}, "default_provider_id"),
    ({"providers": {}}, "providers"),
    ({"providers": ["ari_main"]}, "providers.0"),
    ({"providers": [PROVIDER, PROVIDER]}, "providers.1.id"),
    ({"providers": [{**PROVIDER, "id": ""}]}, "providers.0.id"),
    ({"providers": [{"id": "a"}]}, "providers.0.url"),
    ({"providers": [{**PROVIDER, "kind": "sip"}]}, "providers.0.kind"),
    ({"providers": [{**PROVIDER, "url": "pbx"}]}, "providers.0.url"),
    ({"providers": [{**PROVIDER, "url": "http://me:secret@pbx"}]}, "providers.0.url"),
    ({"providers": [{**PROVIDER, "url": "http://pbx:99999"}]}, "providers.0.url"),
    ({"providers": [{**PROVIDER, "url": "http://[pbx"}]}, "providers.0.url"),
    ({"providers": [{**PROVIDER, "endpoint": "PJSIP/trunk"}]}, "providers.0.endpoint"),
    ({"providers": [{**PROVIDER, "calls_per_second": 0}]}, "providers.0.calls_per_second"),
    ({"providers": [{**PROVIDER, "calls_per_second": True}]}, "providers.0.calls_per_second"),
    ({"providers": [{**PROVIDER, "pasword": "x"}]}, "providers.0.pasword"),
    ({"sip_port": 0}, "sip_port"),
    ({"sip_port": "5060"}, "sip_port"),
    ({"sip_phone": "12"}, "sip_phone"),
    ({"sip_pasword": "x"}, "sip_pasword"),
]


def test_bad_settings_are_refused_by_field(
    as_editor: APIClient, workspace: Workspace, configured: TelephonySettings, subtests: pytest.Subtests
) -> None:
    for changes, field in BAD_SETTINGS:
        with subtests.test(changes=changes):
            response = put(as_editor, changes)
            assert response.status_code == 422
            assert list(response.json()["errors"]) == [f"settings_json.{field}"]
            assert stored(workspace) == {"providers": [PROVIDER]}


@pytest.mark.parametrize("body", [{}, {"settings_json": None}, {"settings_json": []}, {"settings_json": {}, "x": 1}])
def test_a_body_without_settings_is_refused(as_editor: APIClient, workspace: Workspace, body: Any) -> None:
    assert as_editor.put("/telephony/settings", body, format="json").status_code == 422


def test_the_workspace_can_be_named_in_query_or_body(
    as_editor: APIClient, workspace: Workspace, other_workspace: Workspace
) -> None:
    changes = {"sip_server": "sip.example.org"}
    assert put(as_editor, changes, workspace_id=workspace.pk).status_code == 200
    assert put(as_editor, changes, workspace_id=other_workspace.pk).status_code == 404
    assert as_editor.get(f"/telephony/settings?workspace_id={workspace.pk}").status_code == 200
    assert as_editor.get(f"/telephony/settings?workspace_id={other_workspace.pk}").status_code == 404
    assert not TelephonySettings.objects.filter(workspace=other_workspace).exists()


@pytest.mark.parametrize(
    ("name", "value"), [("media", "rtp"), ("media", ["auto"]), ("ring_seconds", 3), ("amd_context", "a b")]
)
def test_how_calls_are_placed_is_checked(
    as_editor: APIClient, configured: TelephonySettings, workspace: Workspace, name: str, value: Any
) -> None:
    response = put(as_editor, {"providers": [{**PROVIDER, name: value}]})
    assert response.status_code == 422
    assert f"settings_json.providers.0.{name}" in response.json()["errors"]
    assert stored(workspace)["providers"] == [PROVIDER]


def test_a_provider_says_how_sound_travels_and_who_listens_for_voicemail(
    as_editor: APIClient, workspace: Workspace
) -> None:
    provider = {**PROVIDER, "media": "audiosocket", "ring_seconds": 30, "amd_context": "amd", "max_concurrent": 5}
    assert put(as_editor, {"providers": [provider]}).status_code == 200
    assert stored(workspace)["providers"] == [provider]
