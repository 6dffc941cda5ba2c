"""Whose a conversation is: by the number's id, by the number, by the agent; and never without a key of the account."""

from __future__ import annotations

from typing import Any

import pytest

from aispinner.core.models import Node, NodeType, Workspace
from integrations.calls import Direction
from integrations.models import Account, ElevenLabsKey, PhoneProvider
from telephony.inbound.places import Place, Places
from tests.factories import make_account, make_agent, make_key, make_node, make_phone_provider, make_workspace
from tests.inbound.reports import origin

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    return make_account()


@pytest.fixture
def workspace(account: Account) -> Workspace:
    workspace = make_workspace()
    make_key(workspace=workspace, account=account)
    return workspace


def number(workspace: Workspace, account: Account | None, **fields: Any) -> Node:
    node = make_node(workspace=workspace, type=NodeType.PHONE_NUMBER)
    make_phone_provider(node=node, registered=account, **({"registered_id": "phnum_1"} if account else {}) | fields)
    return node


def agent(workspace: Workspace, account: Account | None, name: str = "agent_xyz") -> Node:
    node = make_node(workspace=workspace, type=NodeType.AGENT)
    make_agent(node=node, account=account, elevenlabs_agent_id=name)
    return node


def place(account: Account, **changes: Any) -> Place | None:
    return Places(account_id=account.pk).of(origin(**{"phone_number_id": "phnum_1", **changes}))


def nodes(found: Place | None) -> tuple[int | None, int | None, int | None]:
    assert found is not None
    return found.pbx_node_id, found.phone_node_id, found.agent_node_id


def test_a_number_by_its_id_and_the_agent_that_talked(account: Account, workspace: Workspace) -> None:
    phone, mine = number(workspace, account), agent(workspace, account)
    assert nodes(place(account)) == (None, phone.pk, mine.pk)
    assert nodes(place(account, agent_id="agent_of_nobody")) == (None, phone.pk, None)
    assert nodes(place(account, our_number="")) == (None, phone.pk, mine.pk)


def test_a_number_by_itself_where_its_id_is_another_or_not_known_yet(account: Account, workspace: Workspace) -> None:
    unregistered = number(workspace, None, phone="+15550100100")
    assert nodes(place(account)) == (None, unregistered.pk, None)
    registered = number(workspace, account, phone="+15550100100", registered_id="phnum_before")
    assert nodes(place(account)) == (None, registered.pk, None)
    assert place(account, our_number="+15550100109") is None
    PhoneProvider.objects.update(provider="sip", twilio_phone="", sip_phone="+15550100100")
    assert nodes(place(account)) == (None, registered.pk, None)


def test_the_same_number_at_another_account_is_another(account: Account, workspace: Workspace) -> None:
    number(workspace, make_account(), phone="+15550100100")
    assert place(account) is None


def test_an_agent_where_the_number_is_nobodys(account: Account, workspace: Workspace) -> None:
    mine = agent(workspace, account)
    agent(workspace, make_account())
    assert nodes(place(account)) == (None, None, mine.pk)
    assert nodes(place(account, direction=Direction.WEB, phone_number_id="", our_number="")) == (None, None, mine.pk)
    assert place(account, agent_id="agent_of_nobody") is None
    assert place(account, agent_id="", our_number="", phone_number_id="") is None


def test_a_number_decides_before_an_agent(account: Account, workspace: Workspace) -> None:
    agent(workspace, account)
    neighbour = make_workspace()
    make_key(workspace=neighbour, account=account)
    number(neighbour, account)
    found = place(account)
    assert found is not None
    assert (found.workspace_id, found.agent_node_id) == (neighbour.pk, None)


def test_of_several_who_have_it_the_first_has_the_conversation(account: Account, workspace: Workspace) -> None:
    neighbour = make_workspace()
    make_key(workspace=neighbour, account=account)
    first, _ = agent(neighbour, account), agent(workspace, account)
    assert nodes(place(account)) == (None, None, first.pk)
    first, _ = number(workspace, account), number(neighbour, account)
    assert nodes(place(account))[1] == first.pk


def test_of_two_copies_of_an_agent_the_one_that_answers_the_number(account: Account, workspace: Workspace) -> None:
    agent(workspace, account)
    answering = agent(workspace, account)
    number(workspace, account, agent_node=answering)
    assert nodes(place(account))[2] == answering.pk


def test_a_workspace_without_a_key_of_the_account_has_none_of_it(account: Account, workspace: Workspace) -> None:
    number(workspace, account)
    agent(workspace, account)
    ElevenLabsKey.objects.all().delete()
    make_key(workspace=workspace)
    assert place(account) is None


@pytest.mark.parametrize(("here", "there"), [(1, 0), (0, 1), (2, 0), (1, 1), (0, 0)])
def test_the_pbx_is_known_where_exactly_one_is_connected(
    account: Account, workspace: Workspace, here: int, there: int
) -> None:
    phone = number(workspace, account)
    phone.connections.add(make_node(workspace=workspace, type=NodeType.JOURNAL))
    boxes = [make_node(workspace=workspace, connected_to=[phone]) for _ in range(here)]
    boxes += [make_node(workspace=workspace) for _ in range(there)]
    phone.connections.add(*boxes[here:])
    assert nodes(place(account))[0] == (boxes[0].pk if len(boxes) == 1 else None)


def test_a_pbx_connected_in_both_directions_is_one(account: Account, workspace: Workspace) -> None:
    phone = number(workspace, account)
    pbx = make_node(workspace=workspace, connected_to=[phone])
    phone.connections.add(pbx)
    assert nodes(place(account))[0] == pbx.pk
