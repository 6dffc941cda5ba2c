"""The same request twice: one piece of work, one answer."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections
from django.utils import timezone
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from aispinner.core.errors import Conflict, Invalid
from aispinner.core.idempotency import LIFETIME, answer_once
from aispinner.core.models import IdempotencyKey, Node, Workspace
from aispinner.core.tasks import forget
from tests.factories import make_node


class Work:
    """Makes a node each time it is done."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.done = 0

    def __call__(self) -> Response:
        self.done += 1
        node = make_node(workspace=self.workspace)
        return Response({"node": node.node_id, "numbers": ["+15550100123"]}, status=201)

    def ask(
        self,
        user: User,
        *,
        key: str | None = "key",
        body: object = None,
        path: str = "/start",
        workspace: Workspace | None = None,
    ) -> Response:
        """A request for it."""
        headers = {} if key is None else {"HTTP_IDEMPOTENCY_KEY": key}
        plain = APIRequestFactory().post(path, {"a": 1} if body is None else body, format="json", **headers)
        request = APIView().initialize_request(plain)
        request.user = user
        return answer_once(request=request, workspace=workspace or self.workspace, work=self)


@pytest.fixture
def work(workspace: Workspace) -> Work:
    return Work(workspace)


def test_the_same_request_gets_the_same_answer(work: Work, owner: User) -> None:
    first, second = work.ask(owner), work.ask(owner)
    assert work.done == 1
    assert (second.status_code, second.data) == (201, first.data)
    assert second["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first


def test_the_same_body_may_be_written_differently(work: Work, owner: User) -> None:
    work.ask(owner, body={"a": 1, "b": [1, {"c": 2}]})
    work.ask(owner, body=json.loads('{ "b": [1, {"c": 2}], "a": 1 }'))
    assert work.done == 1


def test_another_body_under_the_same_key_is_a_conflict(work: Work, owner: User) -> None:
    work.ask(owner)
    with pytest.raises(Conflict, match="another body"):
        work.ask(owner, body={"a": 2})
    assert work.done == 1


def test_without_a_key_everything_is_done(work: Work, owner: User) -> None:
    for _ in range(2):
        work.ask(owner, key=None)
    assert work.done == 2
    assert not IdempotencyKey.objects.exists()


def test_a_key_is_ones_own_in_one_workspace_at_one_address(
    work: Work, owner: User, editor: User, other_workspace: Workspace
) -> None:
    work.ask(owner)
    work.ask(editor)
    work.ask(owner, path="/other")
    work.ask(owner, workspace=other_workspace)
    assert work.done == 4


@pytest.mark.parametrize("key", ["", "k" * 256, "é", "a\nb"])
def test_a_key_that_is_none_is_invalid(work: Work, owner: User, key: str) -> None:
    with pytest.raises(Invalid):
        work.ask(owner, key=key)
    assert work.done == 0


def test_a_refusal_leaves_the_key_free(work: Work, owner: User, workspace: Workspace) -> None:
    class Refusing(Work):
        def __call__(self) -> Response:
            super().__call__()
            raise Conflict("Already running.")

    with pytest.raises(Conflict, match="running"):
        Refusing(workspace).ask(owner)
    assert not Node.objects.exists()
    assert not IdempotencyKey.objects.exists()
    assert work.ask(owner).status_code == 201


def test_a_key_is_free_again_after_a_day(work: Work, owner: User) -> None:
    work.ask(owner)
    IdempotencyKey.objects.update(created_at=timezone.now() - LIFETIME)
    work.ask(owner, body={"a": 2})
    assert work.done == 2


def test_old_keys_are_forgotten(work: Work, owner: User) -> None:
    work.ask(owner, key="old")
    IdempotencyKey.objects.update(created_at=timezone.now() - LIFETIME)
    work.ask(owner, key="new")
    forget()
    assert [row.key for row in IdempotencyKey.objects.all()] == ["new"]


@pytest.mark.django_db(transaction=True)
def test_two_at_once_are_done_once_and_answered_alike(work: Work, owner: User, workspace: Workspace) -> None:
    inside, go_on = Event(), Event()

    class Slow(Work):
        def __call__(self) -> Response:
            inside.set()
            assert go_on.wait(10)
            return super().__call__()

    def ask(each: Work) -> Response:
        try:
            return each.ask(owner)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(ask, Slow(workspace))
        assert inside.wait(10)
        second = threads.submit(ask, work)
        wait_until_somebody_waits()
        assert not second.done()
        go_on.set()
        assert second.result(10).data == first.result(10).data
    assert work.done == 0
    assert Node.objects.count() == 1


def wait_until_somebody_waits() -> None:
    """Until a session waits for a lock of another."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    for _ in range(1000):
        with connection.cursor() as cursor:
            cursor.execute(query)
            if cursor.fetchone()[0]:
                return
            cursor.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("nobody waits")
