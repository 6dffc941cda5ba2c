"""Bearer tokens: made, shown once, listed, revoked, expired; and guessed at."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from aispinner.core.auth import issue_token, user_for_token
from aispinner.core.models import ApiToken

ClientFor = Callable[[User], APIClient]


def login(**body: object) -> tuple[int, dict[str, object]]:
    """POST /auth/token."""
    response = APIClient().post("/auth/token", {"username": "owner", "password": "correct horse", **body})
    return response.status_code, response.json()


def with_header(value: str) -> int:
    """The status of a request with this Authorization header."""
    return int(APIClient().get("/auth/tokens", HTTP_AUTHORIZATION=value).status_code)


def test_a_name_and_a_password_make_a_token(owner: User) -> None:
    status, made = login(name="laptop")
    assert status == 201
    assert set(made) == {"token", "id", "name", "expiry", "created_at"}
    assert str(made["id"]).startswith("tok_")
    assert (made["name"], made["expiry"]) == ("laptop", None)
    assert with_header(f"Bearer {made['token']}") == 200


def test_only_a_digest_is_kept(owner: User) -> None:
    _, text = issue_token(user=owner)
    row = ApiToken.objects.values().get()
    assert not any(str(value)[:8] in text for value in row.values() if isinstance(value, str) and value)


@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"username": "nobody"}, {"username": "OWNER"}])
def test_a_wrong_name_or_password_is_refused_alike(owner: User, wrong: dict[str, object]) -> None:
    status, answer = login(**wrong)
    assert (status, answer) == (401, {"detail": "The username or the password is wrong."})


def test_an_inactive_user_gets_no_token_and_their_tokens_are_refused(owner: User) -> None:
    _, text = issue_token(user=owner)
    User.objects.update(is_active=False)
    assert login()[0] == 401
    assert with_header(f"Bearer {text}") == 401
    assert user_for_token(text) is None


@pytest.mark.parametrize("expiry", [3600, "2999-01-01T00:00:00Z"])
def test_a_token_may_be_asked_for_with_an_end(owner: User, expiry: object) -> None:
    status, made = login(expiry=expiry)
    if expiry == 3600:
        assert status == 201
        assert ApiToken.objects.get().expiry is not None
    else:
        assert status == 422  # more than ten years ahead
        assert made["errors"] == {"expiry": ["Lies in the past, or more than ten years ahead."]}


def test_an_end_may_be_a_moment(owner: User) -> None:
    moment = timezone.now() + timedelta(days=3)
    assert login(expiry=moment.isoformat())[0] == 201
    expiry = ApiToken.objects.get().expiry
    assert expiry is not None
    assert abs(expiry - moment) < timedelta(seconds=5)


@pytest.mark.parametrize("expiry", [0, -1, "2020-01-01T00:00:00Z", "tomorrow", True, [1]])
def test_an_end_that_is_none_is_invalid(owner: User, expiry: object) -> None:
    status, answer = login(expiry=expiry)
    assert status == 422
    assert list(answer["errors"]) == ["expiry"]  # type: ignore[call-overload]


def test_an_expired_token_is_refused(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    _, text = issue_token(user=owner, expiry=timedelta(hours=1))
    assert with_header(f"Bearer {text}") == 200
    later = timezone.now() + timedelta(hours=1)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert with_header(f"Bearer {text}") == 401
    assert user_for_token(text) is None


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Bearer a b",
        "Basic YTpi",
        "Token abc",
        "Bearer \xe9\xff",
        "Bearer " + "a" * 10_000,
        "Bearer ais_" + "0" * 64,
        "",
    ],
)
def test_what_is_no_token_is_refused_with_the_way_in(db: None, header: str) -> None:
    response = APIClient().get("/auth/tokens", HTTP_AUTHORIZATION=header)
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    assert "Bearer" in response.json()["detail"] or "/auth/token" in response.json()["detail"]


def test_the_scheme_may_be_written_in_any_case(owner: User) -> None:
    _, text = issue_token(user=owner)
    assert with_header(f"bearer {text}") == 200
    assert user_for_token(text) == owner


def test_tokens_are_listed_without_their_text(owner: User, client_for: ClientFor) -> None:
    client = client_for(owner)
    _, text = issue_token(user=owner, name="second")
    answer = client.get("/auth/tokens").json()
    assert answer["total"] == 2
    assert [each["name"] for each in answer["tokens"]] == ["second", ""]
    assert set(answer["tokens"][0]) == {"id", "name", "created_at", "expiry"}
    assert text not in str(answer)


def test_a_revoked_token_is_refused(owner: User, client_for: ClientFor) -> None:
    token, text = issue_token(user=owner)
    assert client_for(owner).delete(f"/auth/tokens/{token.public_id}").status_code == 204
    assert with_header(f"Bearer {text}") == 401


def test_somebody_elses_token_is_not_found(owner: User, stranger: User, client_for: ClientFor) -> None:
    token, text = issue_token(user=owner)
    client = client_for(stranger)
    assert client.delete(f"/auth/tokens/{token.public_id}").status_code == 404
    assert client.get("/auth/tokens").json()["total"] == 1
    assert with_header(f"Bearer {text}") == 200


def test_guessing_is_slowed_down_for_one_name_alone(owner: User, editor: User) -> None:
    statuses = [login(password=f"guess {attempt}")[0] for attempt in range(11)]
    assert statuses == [401] * 10 + [429]
    response = APIClient().post("/auth/token", {"username": "Owner", "password": "correct horse"})
    assert response.status_code == 429
    assert int(response["Retry-After"]) >= 1
    assert login(username="editor")[0] == 201


def test_a_forwarded_address_is_not_believed_without_a_proxy(owner: User) -> None:
    statuses = [
        APIClient()
        .post("/auth/token", {"username": "owner", "password": "x"}, HTTP_X_FORWARDED_FOR=f"192.0.2.{attempt}")
        .status_code
        for attempt in range(11)
    ]
    assert statuses[-1] == 429


def test_a_request_costs_one_query_for_its_token(owner: User, client_for: ClientFor) -> None:
    client = client_for(owner)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        client.get("/auth/tokens")
    assert len(queries) == 2


def test_the_command_prints_the_token_alone(owner: User) -> None:
    out = StringIO()
    call_command("create_token", "--user", "owner", "--name", "script", stdout=out)
    assert user_for_token(out.getvalue().strip()) == owner
    assert ApiToken.objects.get().name == "script"


def test_the_command_names_what_is_missing(owner: User) -> None:
    with pytest.raises(CommandError, match="no user 'nobody'"):
        call_command("create_token", "--user", "nobody")
