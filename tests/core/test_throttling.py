"""So many requests of one token in a time, and no more; other tokens do not notice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from rest_framework.test import APIClient

from aispinner.core import broker, throttling
from aispinner.core.models import ApiToken
from aispinner.core.throttling import TokenThrottle
from aispinner.env import rate

ClientFor = Callable[[User], APIClient]


@pytest.fixture(autouse=True)
def valkey_is_there() -> Iterator[None]:
    """Whatever a test made of it."""
    yield
    TokenThrottle._away_until = 0.0
    broker.client.cache_clear()
    throttling.forget()


def test_a_token_is_stopped_at_its_rate_and_told_when_to_come_back(
    owner: User, client_for: ClientFor, settings: Any
) -> None:
    settings.API_RATE = (3, 60)
    client, other = client_for(owner), client_for(owner)
    answers = [client.get("/auth/tokens") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert 1 <= int(answers[-1]["Retry-After"]) <= 60
    assert answers[-1].json()["detail"].startswith("Too many requests. Try again in ")
    assert other.get("/workspaces").status_code == 200


def test_the_rate_counts_every_address_together_and_begins_anew(
    owner: User, client_for: ClientFor, settings: Any
) -> None:
    settings.API_RATE = (2, 60)
    client = client_for(owner)
    statuses = [client.get(path).status_code for path in ("/workspaces", "/telephony/journal", "/auth/tokens")]
    assert statuses == [200, 200, 429]
    counter = broker.key(f"rate:{ApiToken.objects.get().pk}")
    broker.client().pexpire(counter, 1)
    while broker.client().exists(counter):
        time.sleep(0.001)
    assert client.get("/auth/tokens").status_code == 200


def test_a_counter_without_an_end_gets_one(owner: User, client_for: ClientFor, settings: Any) -> None:
    settings.API_RATE = (10, 60)
    client = client_for(owner)
    client.get("/auth/tokens")
    counter = broker.key(f"rate:{ApiToken.objects.get().pk}")
    broker.client().persist(counter)
    client.get("/auth/tokens")
    assert 0 < int(broker.client().ttl(counter)) <= 60  # type: ignore[arg-type]


def test_nothing_is_counted_where_it_is_off_or_nobody_is_known(
    owner: User, client_for: ClientFor, settings: Any
) -> None:
    settings.API_RATE = (1, 60)
    assert [APIClient().get("/auth/tokens").status_code for _ in range(3)] == [401] * 3
    settings.API_RATE = None
    client = client_for(owner)
    assert [client.get("/auth/tokens").status_code for _ in range(3)] == [200] * 3


def test_while_valkey_is_away_reading_goes_on_and_nobody_waits_for_it_again(
    owner: User, client_for: ClientFor, settings: Any
) -> None:
    settings.API_RATE = (1, 60)
    client, there = client_for(owner), settings.REDIS_URL
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    broker.client.cache_clear()
    assert [client.get("/auth/tokens").status_code for _ in range(3)] == [200] * 3
    settings.REDIS_URL = there
    broker.client.cache_clear()
    assert client.get("/auth/tokens").status_code == 200  # not asked yet
    TokenThrottle._away_until = 0.0
    assert [client.get("/auth/tokens").status_code for _ in range(2)] == [200, 429]


@pytest.mark.parametrize(
    ("text", "meant"), [("600/min", (600, 60)), ("20/s", (20, 1)), ("9/H", (9, 3600)), ("off", None)]
)
def test_a_rate_is_read(monkeypatch: pytest.MonkeyPatch, text: str, meant: object) -> None:
    monkeypatch.setenv("API_RATE", text)
    assert rate("API_RATE", default="1/s") == meant


@pytest.mark.parametrize("text", ["", "600", "0/min", "-1/min", "600/day", "many/min"])
def test_what_is_no_rate_stops_the_start(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("API_RATE", text)
    with pytest.raises(ImproperlyConfigured, match="600/min"):
        rate("API_RATE", default="1/s")
