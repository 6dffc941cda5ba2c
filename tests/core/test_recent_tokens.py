"""A token is looked up at most twice a second in each process, and never believed for longer than that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.test import APIClient, APIRequestFactory

from aispinner.core import recent
from aispinner.core.auth import BearerAuthentication, issue_token, recent_tokens, revoke_token
from aispinner.core.models import ApiToken


class Clock:
    """Time as this process sees it."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr("aispinner.core.recent.time", clock)
    yield clock
    recent_tokens.forget()


@pytest.fixture
def text(owner: User) -> str:
    return issue_token(user=owner)[1]


def ask(text: str) -> int:
    """The status of a request with this token."""
    return int(APIClient().get("/auth/tokens", HTTP_AUTHORIZATION=f"Bearer {text}").status_code)


def _asking(text: str) -> Request:
    return Request(APIRequestFactory().get("/", HTTP_AUTHORIZATION=f"Bearer {text}"))


def lookups(text: str) -> int:
    """How often a request with this token has it looked up."""
    with CaptureQueriesContext(connection) as queries:
        assert ask(text) == 200
    return sum("digest" in query["sql"].partition("WHERE")[2] for query in queries)


def elsewhere(statement: str) -> None:
    """What another process does: nothing here hears of it."""
    with connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_token_that_is_looked_up_has_all_that_its_rows_hold(text: str) -> None:
    found, row = BearerAuthentication().authenticate(_asking(text)), ApiToken.objects.select_related("user").get()
    assert found is not None
    for mine, stored in ((found[0], row.user), (found[1], row)):
        assert mine == stored
        assert {**vars(mine), "_state": None} == {**vars(stored), "_state": None}
        assert not mine._state.adding


def test_many_requests_of_a_moment_look_once(text: str) -> None:
    assert [lookups(text), lookups(text), lookups(text)] == [1, 0, 0]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM core_apitoken",
        "UPDATE core_apitoken SET expiry = now() - interval '1 second'",
        "UPDATE auth_user SET is_active = false",
    ],
    ids=["revoked", "expired", "deactivated"],
)
def test_what_happens_in_another_process_holds_here_within_a_second_without_any_word(
    text: str, statement: str, clock: Clock
) -> None:
    assert ask(text) == 200
    elsewhere(statement)
    clock.now += 0.6
    assert ask(text) == 401


def test_use_does_not_keep_a_token_alive(text: str, clock: Clock) -> None:
    ask(text)
    elsewhere("DELETE FROM core_apitoken")
    answers = []
    for _ in range(6):
        clock.now += 0.1
        answers.append(ask(text))
    assert answers[-1] == 401


def test_a_token_revoked_while_it_is_being_looked_up_is_not_believed_for_longer(
    text: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember = recent_tokens.remember

    def slowly(digest: str, token: ApiToken, look: recent.Look) -> None:
        clock.now += 5
        elsewhere("DELETE FROM core_apitoken")
        remember(digest, token, look)

    monkeypatch.setattr(recent_tokens, "remember", slowly)
    assert ask(text) == 200
    assert ask(text) == 401


@pytest.mark.django_db(transaction=True)
def test_a_token_revoked_here_while_another_request_looks_it_up_is_not_remembered(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember = recent_tokens.remember

    def late(digest: str, token: ApiToken, look: recent.Look) -> None:
        revoke_token(token=ApiToken.objects.get())
        remember(digest, token, look)

    monkeypatch.setattr(recent_tokens, "remember", late)
    assert ask(text) == 200
    assert ask(text) == 401


@pytest.mark.django_db(transaction=True)
def test_a_token_looked_up_between_its_revocation_and_the_commit_is_forgotten_at_the_commit(text: str) -> None:
    with transaction.atomic():
        revoke_token(token=ApiToken.objects.get())
        recent_tokens.remember("what another request still found", ApiToken(), recent_tokens.look())
    assert recent_tokens._kept == {}


def test_what_happens_in_this_process_holds_at_once(owner: User) -> None:
    token, text = issue_token(user=owner)
    other = issue_token(user=owner)[1]
    assert (ask(text), ask(other)) == (200, 200)
    revoke_token(token=token)
    assert (ask(text), ask(other)) == (401, 200)
    owner.is_active = False
    owner.save()
    assert ask(other) == 401


def test_a_token_that_reaches_its_end_while_remembered_is_refused(owner: User) -> None:
    _, text = issue_token(user=owner, expiry=timedelta(hours=1))
    assert ask(text) == 200
    [(_, kept)] = recent_tokens._kept.values()
    kept.expiry = timezone.now() - timedelta(seconds=1)
    assert ask(text) == 401


def test_what_is_refused_is_not_remembered(db: None) -> None:
    assert [ask("ais_" + "0" * 64) for _ in range(3)] == [401] * 3
    assert recent_tokens._kept == {}


def test_whoever_asks_gets_a_user_of_their_own(owner: User, text: str) -> None:
    request = _asking(text)
    answers = [BearerAuthentication().authenticate(request) for _ in range(3)]
    users = [answer[0] for answer in answers if answer]
    assert users == [owner] * 3
    users[0].username = "changed"
    assert [user.username for user in users] == ["changed", owner.username, owner.username]


def test_the_memory_has_an_end(owner: User, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(recent, "MOST", 2)
    tokens = [issue_token(user=owner)[1] for _ in range(5)]
    for each in tokens:
        ask(each)
        assert len(recent_tokens._kept) <= 2


def test_any_client_with_a_token_is_served(owner: User, client_for: Callable[[User], APIClient]) -> None:
    client = client_for(owner)
    assert [client.get("/auth/tokens").status_code for _ in range(2)] == [200, 200]
