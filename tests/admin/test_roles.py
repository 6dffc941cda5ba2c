"""Who may do what in the admin, as a table: each button and bulk action, pressed by each of five people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from aispinner.core.errors import ProviderFailed
from aispinner.core.models import AuditEntry, Workspace
from telephony.models import Run, RunStatus
from tests.admin.conftest import World
from tests.bells import Bells

pytestmark = pytest.mark.django_db
BrowserOf = Callable[[User], Client]

CAST = ("stranger", "viewer", "editor", "owner", "superuser")
VIEW, EDIT, OWN = (False, True, True, True, True), (False, False, True, True, True), (False, False, False, True, True)


@dataclass(frozen=True)
class Deed:
    """Something to try on `model`'s row; `bulk`: from its list. It is allowed to those of CAST that `may` says."""

    name: str
    model: str
    may: tuple[bool, ...]
    bulk: bool = False

    def __str__(self) -> str:
        return self.name


DEEDS = (
    Deed("telephony_run_results", "telephony_run", VIEW),
    Deed("telephony_run_pause", "telephony_run", EDIT),
    Deed("telephony_run_resume", "telephony_run", EDIT),
    Deed("telephony_run_rename", "telephony_run", EDIT),
    Deed("telephony_run_cancel", "telephony_run", EDIT),
    Deed("agents_agent_adopt", "agents_agent", EDIT),
    Deed("integrations_elevenlabskey_check", "integrations_elevenlabskey", OWN),
    Deed("export_selected", "telephony_run", VIEW, bulk=True),
    Deed("pause_selected", "telephony_run", EDIT, bulk=True),
    Deed("cancel_selected", "telephony_run", EDIT, bulk=True),
    Deed("adopt_selected", "agents_agent", EDIT, bulk=True),
    Deed("check_selected", "integrations_elevenlabskey", OWN, bulk=True),
)


@pytest.fixture(autouse=True)
def nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """No provider answers here: what gets through to one is told by a sentence, and that is enough."""

    def fails(**_: Any) -> None:
        raise ProviderFailed("ElevenLabs cannot be reached.")

    monkeypatch.setattr("integrations.services.check_key", fails)
    monkeypatch.setattr("agents.admin.adopted.adopt_agent", fails)


@pytest.mark.parametrize("deed", DEEDS, ids=str)
def test_each_deed_is_allowed_to_whom_it_should_be(
    request: pytest.FixtureRequest,
    world: World,
    other_workspace: Workspace,
    browser_of: BrowserOf,
    bells: Bells,
    deed: Deed,
) -> None:
    found = {who: _tried(browser_of(request.getfixturevalue(who)), deed, world) for who in CAST}
    assert found == dict(zip(CAST, deed.may, strict=True))


@pytest.mark.parametrize("who", ["stranger", "viewer"])
def test_who_may_not_leaves_no_trace(
    request: pytest.FixtureRequest, world: World, other_workspace: Workspace, browser_of: BrowserOf, who: str
) -> None:
    browser = browser_of(request.getfixturevalue(who))
    for verb in ("pause", "rename", "cancel"):
        browser.post(reverse(f"admin:telephony_run_{verb}", args=(world.run.pk,)), {"name": "x", "confirm": "yes"})
    assert not AuditEntry.objects.filter(action__startswith="campaign.").exists()
    assert Run.objects.get(pk=world.run.pk).status == RunStatus.RUNNING


@pytest.mark.parametrize(
    ("who", "sees"), [("stranger", False), ("viewer", False), ("editor", False), ("owner", True), ("superuser", True)]
)
def test_the_trail_of_a_workspace_is_for_its_owners(
    request: pytest.FixtureRequest,
    superuser: User,
    world: World,
    other_workspace: Workspace,
    browser_of: BrowserOf,
    bells: Bells,
    who: str,
    sees: bool,
) -> None:
    somebody = browser_of(superuser)
    somebody.post(reverse("admin:telephony_run_pause", args=(world.run.pk,)))
    browser = browser_of(request.getfixturevalue(who))
    listed = browser.get(reverse("admin:core_auditentry_changelist")).content.decode()
    assert ("Campaign paused" in listed) is sees
    page = browser.get(reverse("admin:telephony_run_change", args=(world.run.pk,)))
    if who != "stranger":
        assert ("Campaign paused" in page.content.decode()) is sees


def test_nobody_changes_an_entry_in_the_admin(browser: Client, world: World, bells: Bells) -> None:
    browser.post(reverse("admin:telephony_run_pause", args=(world.run.pk,)))
    entry = AuditEntry.objects.get(action="campaign.paused")
    assert browser.get(reverse("admin:core_auditentry_change", args=(entry.pk,))).status_code == 200
    assert browser.post(reverse("admin:core_auditentry_change", args=(entry.pk,)), {"via": "x"}).status_code == 403
    assert browser.post(reverse("admin:core_auditentry_delete", args=(entry.pk,)), {"post": "yes"}).status_code == 403
    assert browser.get("/admin/core/auditentry/add/").status_code == 403


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"kind": "campaign"}, True),
        ({"kind": "key"}, False),
        ({"via": "admin"}, True),
        ({"via": "api"}, False),
        ({"who": "999999"}, False),
        ({"who": "x"}, False),
        ({"in": "999999"}, False),
        ({"q": "root"}, True),
        ({"q": "camp_unknown"}, False),
        ({"at_from": "2100-01-01"}, False),
    ],
)
def test_the_trail_is_filtered(
    browser: Client, world: World, bells: Bells, filters: dict[str, str], found: bool
) -> None:
    browser.post(reverse("admin:telephony_run_pause", args=(world.run.pk,)))
    listed = browser.get(reverse("admin:core_auditentry_changelist"), filters)
    assert ("Campaign paused" in listed.content.decode()) is found


def _tried(browser: Client, deed: Deed, world: World) -> bool:
    """Whether the person got through with it."""
    if deed.bulk:
        chosen = {"action": deed.name, "_selected_action": str(world.ids[deed.model])}
        return _got_through(browser.post(reverse(f"admin:{deed.model}_changelist"), chosen))
    address = reverse(f"admin:{deed.name}", args=(world.ids[deed.model],))
    status = (browser.get if deed.name.endswith("results") else browser.post)(address).status_code
    assert status in {200, 302, 403, 404}
    return status in {200, 302}


def _got_through(answer: Any) -> bool:
    """Whether a bulk action asked, gave a file, or got as far as the provider."""
    if str(answer.headers.get("Content-Disposition", "")).startswith("attachment"):
        b"".join(answer.streaming_content)  # and with its end, closed
        return True
    if answer.status_code == 200:
        return b"tp-confirm" in answer.content
    return "cannot be reached" in " ".join(map(str, get_messages(answer.wsgi_request)))
