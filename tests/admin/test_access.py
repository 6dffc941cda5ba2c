"""Staff see their workspaces alone and do what their role allows; superusers see all; others never come in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from aispinner.core.models import Role, Workspace
from telephony.models import Run, RunStatus
from tests.admin.conftest import World, make_ended_call
from tests.admin.test_pages import MODELS
from tests.factories import make_member, make_run

pytestmark = pytest.mark.django_db
BrowserOf = Callable[[User], Client]


def test_who_is_no_staff_is_sent_to_the_login(owner: User, world: World) -> None:
    client = Client()
    client.force_login(owner)
    for model in MODELS:
        assert client.get(reverse(f"admin:{model}_changelist")).status_code == 302
    assert client.get(reverse("admin:telephony_run_live", args=(world.run.pk,))).status_code == 302


@pytest.mark.parametrize("model", MODELS)
def test_staff_of_another_workspace_see_nothing(
    stranger: User, other_workspace: Workspace, world: World, browser_of: BrowserOf, model: str
) -> None:
    browser = browser_of(stranger)
    listed = browser.get(reverse(f"admin:{model}_changelist"))
    assert list(listed.context["cl"].result_list) == []
    opened = browser.get(reverse(f"admin:{model}_change", args=(world.ids[model],)))
    assert opened.status_code in {302, 403, 404}


def test_nothing_of_another_workspace_is_on_the_dashboard(
    stranger: User, other_workspace: Workspace, world: World, browser_of: BrowserOf
) -> None:
    text = browser_of(stranger).get(reverse("admin:index")).content.decode()
    assert "Spring survey" not in text
    assert "+15550100123" not in text
    assert "9a2c" not in text
    assert "No calls in this time." in text


def test_no_live_part_and_no_button_reaches_another_workspace(
    stranger: User, other_workspace: Workspace, world: World, browser_of: BrowserOf
) -> None:
    browser = browser_of(stranger)
    assert browser.get(reverse("admin:telephony_run_live", args=(world.run.pk,))).status_code == 404
    assert browser.get(reverse("admin:telephony_call_live", args=(world.call.pk,))).status_code == 404
    assert browser.get(reverse("admin:telephony_run_live_list"), {"ids": str(world.run.pk)}).json()["parts"] == {}
    for verb in ("pause", "resume", "rename", "cancel"):
        address = reverse(f"admin:telephony_run_{verb}", args=(world.run.pk,))
        assert browser.post(address, {"name": "Mine", "confirm": "yes"}).status_code == 404
    world.run.refresh_from_db()
    assert (world.run.status, world.run.name) == (RunStatus.RUNNING, "Spring survey")


def test_a_filter_offers_no_campaign_of_another_workspace(
    stranger: User, other_workspace: Workspace, world: World, browser_of: BrowserOf
) -> None:
    make_ended_call(workspace=other_workspace)
    response = browser_of(stranger).get(reverse("admin:telephony_call_changelist"), {"run": str(world.run.pk)})
    assert "Spring survey" not in response.content.decode()


@pytest.mark.parametrize("model", MODELS)
def test_a_viewer_sees_the_workspace(viewer: User, world: World, browser_of: BrowserOf, model: str) -> None:
    browser = browser_of(viewer)
    assert len(browser.get(reverse(f"admin:{model}_changelist")).context["cl"].result_list) == 1
    assert browser.get(reverse(f"admin:{model}_change", args=(world.ids[model],))).status_code == 200


def test_a_viewer_has_no_buttons_and_presses_none(viewer: User, world: World, browser_of: BrowserOf) -> None:
    browser = browser_of(viewer)
    text = browser.get(reverse("admin:telephony_run_change", args=(world.run.pk,))).content.decode()
    for verb in ("pause", "rename", "cancel"):
        address = reverse(f"admin:telephony_run_{verb}", args=(world.run.pk,))
        assert address not in text
        assert browser.post(address, {"name": "Mine", "confirm": "yes"}).status_code == 403
    bulk = {"action": "pause_selected", "_selected_action": str(world.run.pk)}
    browser.post(reverse("admin:telephony_run_changelist"), bulk)
    world.run.refresh_from_db()
    assert (world.run.status, world.run.name) == (RunStatus.RUNNING, "Spring survey")


@pytest.mark.parametrize(("who", "may"), [("viewer", False), ("editor", False), ("owner", True)])
def test_only_an_owner_adds_and_deletes_keys(
    request: pytest.FixtureRequest, world: World, browser_of: BrowserOf, who: str, may: bool
) -> None:
    browser = browser_of(request.getfixturevalue(who))
    assert (browser.get(reverse("admin:integrations_elevenlabskey_add")).status_code == 200) is may
    delete = reverse("admin:integrations_elevenlabskey_delete", args=(world.ids["integrations_elevenlabskey"],))
    assert (browser.get(delete).status_code == 200) is may


@pytest.mark.parametrize(("who", "may"), [("viewer", False), ("editor", True), ("owner", True)])
def test_an_editor_changes_phone_providers(
    request: pytest.FixtureRequest, world: World, browser_of: BrowserOf, who: str, may: bool
) -> None:
    browser = browser_of(request.getfixturevalue(who))
    assert (browser.get(reverse("admin:integrations_phoneprovider_add")).status_code == 200) is may


@pytest.mark.parametrize("model", ["telephony_call", "telephony_run", "agents_agent", "integrations_webhookreceipt"])
def test_nobody_adds_changes_or_deletes_what_the_system_writes(browser: Client, world: World, model: str) -> None:
    assert browser.get(f"/admin/{model.replace('_', '/')}/add/").status_code == 403
    assert browser.post(reverse(f"admin:{model}_delete", args=(world.ids[model],)), {"post": "yes"}).status_code == 403
    assert browser.post(reverse(f"admin:{model}_change", args=(world.ids[model],)), {"name": "x"}).status_code == 403


def test_an_editor_of_one_workspace_does_nothing_in_another_that_they_merely_view(
    editor: User, world: World, other_workspace: Workspace, browser_of: BrowserOf
) -> None:
    make_member(workspace=other_workspace, user=editor, role=Role.VIEWER)
    theirs = make_run(workspace=other_workspace, name="Theirs")
    browser = browser_of(editor)
    assert browser.post(reverse("admin:telephony_run_pause", args=(theirs.pk,))).status_code == 403
    bulk = {"action": "pause_selected", "_selected_action": [str(theirs.pk)]}
    browser.post(reverse("admin:telephony_run_changelist"), bulk)
    assert Run.objects.get(pk=theirs.pk).status == RunStatus.RUNNING
