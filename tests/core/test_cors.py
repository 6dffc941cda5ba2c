"""Browsers of other origins: those named by a setting may call the API, with all its headers; no others."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from aispinner.env import origins

OURS, THEIRS = "https://app.example.org", "https://evil.example"


@pytest.fixture(autouse=True)
def one_origin(settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = [OURS]


def preflight(path: str, origin: str = OURS, method: str = "POST", headers: str = "authorization") -> dict[str, str]:
    """What a browser is told before it sends the request itself."""
    response = Client().options(
        path,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": headers,
        },
    )
    return {name.lower(): value for name, value in response.items()}


@pytest.mark.parametrize("path", ["/telephony/dialer/start", "/telephony/calls/call_x/events", "/auth/token"])
def test_a_browser_may_send_what_the_api_takes(path: str) -> None:
    told = preflight(path)
    assert told["access-control-allow-origin"] == OURS
    assert {"GET", "POST", "PUT", "PATCH", "DELETE"} <= set(told["access-control-allow-methods"].split(", "))
    allowed = set(told["access-control-allow-headers"].split(", "))
    assert {"authorization", "content-type", "idempotency-key", "range", "if-range", "last-event-id"} <= allowed
    assert "access-control-allow-credentials" not in told


def test_a_page_may_read_the_headers_that_matter(owner: User, client_for: Callable[[User], APIClient]) -> None:
    response = client_for(owner).get("/workspaces", headers={"Origin": OURS})
    assert response["access-control-allow-origin"] == OURS
    exposed = set(response["access-control-expose-headers"].split(", "))
    assert {"x-request-id", "retry-after", "content-range", "accept-ranges", "etag"} <= exposed
    assert "origin" in response["vary"].lower()


@pytest.mark.parametrize("path", ["/nowhere", "/telephony/runs"])
def test_refusals_can_be_read_too(db: None, path: str) -> None:
    response = Client().get(path, headers={"Origin": OURS})
    assert response.status_code in {401, 404}
    assert response["access-control-allow-origin"] == OURS


@pytest.mark.parametrize("origin", [THEIRS, "null", "https://app.example.org.evil.example", "http://app.example.org"])
def test_another_origin_is_told_nothing(origin: str) -> None:
    assert "access-control-allow-origin" not in preflight("/telephony/runs", origin)


def test_the_admin_is_for_its_own_pages(db: None) -> None:
    assert "access-control-allow-origin" not in Client().get("/admin/login/", headers={"Origin": OURS})


def test_without_the_setting_no_origin_is_let_in(settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = []
    assert "access-control-allow-origin" not in preflight("/telephony/runs")


def test_origins_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ALLOWED_ORIGINS", f"{OURS}, http://localhost:5173,")
    assert origins("CORS_ALLOWED_ORIGINS") == [OURS, "http://localhost:5173"]
    monkeypatch.delenv("CORS_ALLOWED_ORIGINS")
    assert origins("CORS_ALLOWED_ORIGINS") == []


@pytest.mark.parametrize("wrong", ["*", "app.example.org", f"{OURS}/", f"{OURS}/app", "https://*.example.org", "null"])
def test_what_is_no_origin_stops_the_start(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("CORS_ALLOWED_ORIGINS", wrong)
    with pytest.raises(ImproperlyConfigured, match="without a path"):
        origins("CORS_ALLOWED_ORIGINS")
