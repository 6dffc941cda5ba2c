"""A workspace that can dial, and who asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from agents.models import Agent
from aispinner.core.models import Node, NodeType, Workspace
from integrations.models import ElevenLabsKey, PhoneProvider
from telephony.models import Run
from tests.factories import make_agent, make_key, make_node, make_phone_provider, make_run


@dataclass(frozen=True, kw_only=True)
class Line:
    """A PBX connected to a phone number and an agent, and the key of their account."""

    workspace: Workspace
    pbx: Node
    phone: Node
    agent_node: Node
    agent: Agent
    provider: PhoneProvider
    key: ElevenLabsKey

    def run(self, **fields: object) -> Run:
        """A campaign on this line."""
        run = make_run(
            workspace=self.workspace,
            node=self.pbx,
            agent=self.agent,
            phone_provider=self.provider,
            key=self.key,
            **fields,  # type: ignore[arg-type]
        )
        run.progress.refresh_from_db()
        return run


@pytest.fixture
def line(workspace: Workspace) -> Line:
    key = make_key(workspace=workspace)
    phone = make_node(workspace=workspace, type=NodeType.PHONE_NUMBER, node_id="phone_abc")
    agent_node = make_node(workspace=workspace, type=NodeType.AGENT, node_id="agent_xyz")
    return Line(
        workspace=workspace,
        pbx=make_node(workspace=workspace, node_id="pbx_abc123", connected_to=[phone, agent_node]),
        phone=phone,
        agent_node=agent_node,
        agent=make_agent(node=agent_node, account=key.account),
        provider=make_phone_provider(node=phone, registered=key.account),
        key=key,
    )


@pytest.fixture
def as_editor(client_for: Callable[[User], APIClient], editor: User) -> APIClient:
    return client_for(editor)


@pytest.fixture
def as_viewer(client_for: Callable[[User], APIClient], viewer: User) -> APIClient:
    return client_for(viewer)


@pytest.fixture
def as_owner(client_for: Callable[[User], APIClient], owner: User) -> APIClient:
    return client_for(owner)
