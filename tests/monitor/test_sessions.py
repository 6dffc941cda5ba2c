"""Who is logged in on a page of ours may use the API from there: with the CSRF token, as themselves, and not as fast
as they like."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.test import APIClient

from aispinner.core.models import Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(owner: User, workspace: Workspace) -> Client:
    """A browser that has logged in by the form and shows the monitor; CSRF is looked at, as in earnest."""
    browser = Client(enforce_csrf_checks=True)
    browser.get("/login")
    token = browser.cookies["csrftoken"].value
    form = {"username": "owner", "password": "correct horse", "csrfmiddlewaretoken": token}
    assert browser.post("/login", form)["Location"] == "/monitor/"
    assert browser.get("/monitor/").status_code == 200
    return browser


def rename(page: Client, workspace: Workspace, **headers: str) -> Any:
    return page.patch(
        f"/workspaces/{workspace.pk}", {"name": "Renamed"}, content_type="application/json", headers=headers
    )


def test_a_page_reads_and_changes_as_who_is_logged_in(page: Client, workspace: Workspace) -> None:
    assert [each["id"] for each in page.get("/workspaces").json()["workspaces"]] == [workspace.pk]
    assert rename(page, workspace, **{"X-CSRFToken": page.cookies["csrftoken"].value}).status_code == 200


def test_without_the_csrf_token_nothing_changes(page: Client, workspace: Workspace) -> None:
    for headers in ({}, {"X-CSRFToken": "a" * 32}):
        response = rename(page, workspace, **headers)
        assert response.status_code == 403
        assert "Load it again" in response.json()["detail"]
    workspace.refresh_from_db()
    assert workspace.name == "Acme"


def test_the_cookie_of_who_is_no_longer_active_opens_nothing(page: Client, owner: User) -> None:
    User.objects.filter(pk=owner.pk).update(is_active=False)
    assert page.get("/workspaces").status_code == 401
    assert page.get("/monitor/").status_code == 302


def test_after_logging_out_the_session_opens_nothing(page: Client) -> None:
    page.post("/logout", {"csrfmiddlewaretoken": page.cookies["csrftoken"].value})
    assert page.get("/workspaces").status_code == 401


def test_the_requests_of_a_session_are_counted(page: Client, settings: Any) -> None:
    settings.API_RATE = (2, 60)
    assert [page.get("/workspaces").status_code for _ in range(3)] == [200, 200, 429]


def test_the_page_holds_only_the_workspaces_of_who_looks(
    page: Client, workspace: Workspace, other_workspace: Workspace
) -> None:
    shown = page.get("/monitor/").content.decode()
    assert "Acme" in shown
    assert "Elsewhere" not in shown


def test_the_page_takes_nothing_from_elsewhere_and_nothing_inline(page: Client) -> None:
    response = page.get("/monitor/")
    assert "default-src 'self'" in response["Content-Security-Policy"]
    assert "unsafe" not in response["Content-Security-Policy"]
    assert " style=" not in response.content.decode()


@pytest.mark.parametrize("door", ["/login", "/admin/login/"])
def test_guessing_is_slow_at_every_door(owner: User, door: str) -> None:
    browser = Client()
    said = [browser.post(door, {"username": "owner", "password": f"guess {n}"}).content.decode() for n in range(11)]
    assert "Too many attempts" in said[-1]
    assert "Too many attempts" not in said[-2]
    assert (
        "Too many attempts" in browser.post(door, {"username": "owner", "password": "correct horse"}).content.decode()
    )
    assert APIClient().post("/auth/token", {"username": "owner", "password": "correct horse"}).status_code == 429


def test_a_login_goes_on_to_our_own_pages_alone(owner: User) -> None:
    form = {"username": "owner", "password": "correct horse"}
    assert Client().post("/login?next=https://example.org/", form)["Location"] == "/monitor/"
    assert Client().post("/login?next=/admin/", form)["Location"] == "/admin/"
