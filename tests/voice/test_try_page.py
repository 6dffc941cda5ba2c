"""Who sees the page “Try this agent”, and what it tells who may not call."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from agents.models import Agent

SeenBy = Callable[[User], Client]


@pytest.fixture
def seen_by() -> SeenBy:
    def log_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return log_in


def address(agent: Agent) -> str:
    return f"/try/{agent.workspace_id}/{agent.node.node_id}"


def test_members_see_it(agent: Agent, editor: User, seen_by: SeenBy) -> None:
    answer = seen_by(editor).get(address(agent))
    assert answer.status_code == 200
    assert agent.name in answer.content.decode()
    assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]


def test_viewers_are_told_that_they_may_not_call(agent: Agent, viewer: User, seen_by: SeenBy) -> None:
    assert "takes the role editor" in seen_by(viewer).get(address(agent)).content.decode()


def test_others_learn_nothing(agent: Agent, stranger: User, seen_by: SeenBy) -> None:
    assert seen_by(stranger).get(address(agent)).status_code == 404
    assert seen_by(stranger).get(f"/try/{agent.workspace_id}/nowhere").status_code == 404
    assert Client().get(address(agent)).headers["Location"].startswith("/login")
