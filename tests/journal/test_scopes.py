"""Which calls a node's journal holds."""

from __future__ import annotations

from typing import Any

import pytest

from aispinner.core.models import Node, NodeType, Workspace
from telephony.journal.delta import Cursor, Order
from telephony.journal.filters import Filters
from telephony.journal.page import Journal, read_journal
from telephony.journal.scope import scopes_of_nodes
from telephony.models import Call, RunStatus
from tests.factories import make_agent, make_key, make_node, make_phone_provider, make_run, make_workspace
from tests.journal.rows import make_call

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace() -> Workspace:
    return make_workspace()


@pytest.fixture
def nodes(workspace: Workspace) -> dict[str, Any]:
    kinds = {"pbx": NodeType.PBX, "phone": NodeType.PHONE_NUMBER, "agent": NodeType.AGENT}
    return {name: make_node(workspace=workspace, type=kind) for name, kind in kinds.items()}


def journal_of(node: Node, order: Order = Order.NEWEST) -> Journal:
    cursor = Cursor(order=order, at=None if order is Order.NEWEST else 0)
    return read_journal(scopes=scopes_of_nodes([node]), filters=Filters(), cursor=cursor, limit=200)


def listed(node: Node) -> list[int]:
    return [call.id for call in journal_of(node).calls]


def test_a_call_is_found_under_each_node_it_went_through(workspace: Workspace, nodes: dict[str, Any]) -> None:
    call = make_call(workspace=workspace, **nodes)
    make_call(workspace=workspace)
    for node in nodes.values():
        assert listed(node) == [call.id]
        assert [each.id for each in journal_of(node, Order.VERSION).calls] == [call.id]


@pytest.mark.parametrize("kind", [NodeType.JOURNAL, NodeType.PBX_MONITOR])
@pytest.mark.parametrize("outgoing", [True, False])
def test_a_journal_block_shows_the_nodes_it_is_connected_with(
    workspace: Workspace, nodes: dict[str, Any], kind: NodeType, outgoing: bool
) -> None:
    block = make_node(workspace=workspace, type=kind, connected_to=[nodes["pbx"]] if outgoing else [])
    if not outgoing:
        nodes["pbx"].connections.add(block)
    call = make_call(workspace=workspace, pbx=nodes["pbx"])
    make_call(workspace=workspace, phone=nodes["phone"])
    assert listed(block) == [call.id]


def test_a_journal_block_counts_no_call_twice(workspace: Workspace, nodes: dict[str, Any]) -> None:
    second = make_node(workspace=workspace)
    block = make_node(workspace=workspace, type=NodeType.JOURNAL, connected_to=[*nodes.values(), second])
    calls = [make_call(workspace=workspace, **nodes), make_call(workspace=workspace, pbx=second)]
    journal = journal_of(block)
    assert [call.id for call in journal.calls] == [call.pk for call in reversed(calls)]
    assert journal.total.calls == 2


def test_without_pbxs_a_journal_block_goes_by_phone_numbers_then_by_agents(
    workspace: Workspace, nodes: dict[str, Any]
) -> None:
    call = make_call(workspace=workspace, **nodes)
    by_phone = make_node(workspace=workspace, type=NodeType.JOURNAL, connected_to=[nodes["phone"], nodes["agent"]])
    by_agent = make_node(workspace=workspace, type=NodeType.JOURNAL, connected_to=[nodes["agent"]])
    assert listed(by_phone) == listed(by_agent) == [call.id]


def test_a_journal_block_connected_with_nothing_is_empty(workspace: Workspace) -> None:
    make_call(workspace=workspace)
    block = make_node(workspace=workspace, type=NodeType.JOURNAL)
    assert listed(block) == []
    assert journal_of(block).total.calls == 0


def test_unfinished_campaigns_show_under_their_pbx_phone_number_and_agent(
    workspace: Workspace, nodes: dict[str, Any]
) -> None:
    key = make_key(workspace=workspace)
    run = make_run(
        workspace=workspace,
        key=key,
        node=nodes["pbx"],
        agent=make_agent(node=nodes["agent"]),
        phone_provider=make_phone_provider(node=nodes["phone"]),
    )
    make_run(workspace=workspace, key=key)
    for node in nodes.values():
        assert [row.call_id for row in journal_of(node).campaigns] == [run.call_id]


def test_a_finished_campaign_shows_only_beside_its_calls(workspace: Workspace, nodes: dict[str, Any]) -> None:
    run = make_run(workspace=workspace, node=nodes["pbx"], status=RunStatus.COMPLETED)
    run.finished_at = run.started_at
    run.save()
    assert journal_of(nodes["pbx"]).campaigns == []
    make_call(workspace=workspace, run=run, pbx=nodes["pbx"])
    assert [row.call_id for row in journal_of(nodes["pbx"]).campaigns] == [run.call_id]
    assert Call.objects.count() == 1
