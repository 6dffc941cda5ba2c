"""Where a journal looks: a column of the call, and the workspaces or nodes to find in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import chain

from aispinner.core.models import Node, NodeType, Workspace


class Column(StrEnum):
    """The columns that have an index in journal order."""

    WORKSPACE = "workspace_id"
    PBX = "pbx_node_id"
    PHONE = "phone_node_id"
    AGENT = "agent_node_id"


COLUMN_OF = {NodeType.PBX: Column.PBX, NodeType.PHONE_NUMBER: Column.PHONE, NodeType.AGENT: Column.AGENT}


@dataclass(frozen=True, kw_only=True)
class Scope:
    """The calls whose `column` is one of `ids`; all in `workspaces`. No call is in two scopes of one request."""

    column: Column
    ids: tuple[int, ...]
    workspaces: tuple[int, ...]


def scope_of_workspaces(workspaces: Iterable[Workspace]) -> list[Scope]:
    """Everything in these workspaces."""
    ids = tuple(workspace.pk for workspace in workspaces)
    return [Scope(column=Column.WORKSPACE, ids=ids, workspaces=ids)] if ids else []


def scopes_of_nodes(nodes: Sequence[Node]) -> list[Scope]:
    """What went through these nodes, of which no two are in the same workspace.

    A journal or monitor block stands for the blocks it is connected with, in either direction: for the PBXs among
    them, else the phone numbers, else the agents. Never for two kinds, as a call goes through one of each and would
    be counted twice. Connected with nothing, it shows nothing.
    """
    found = (_scope_of_node(node) for node in nodes)
    return [scope for scope in found if scope is not None]


def within(scopes: Sequence[Scope], *, workspace_id: int) -> list[Scope]:
    """What of `scopes` lies in one workspace."""
    return [
        replace(scope, ids=(workspace_id,), workspaces=(workspace_id,)) if scope.column is Column.WORKSPACE else scope
        for scope in scopes
        if workspace_id in scope.workspaces
    ]


def _scope_of_node(node: Node) -> Scope | None:
    column = COLUMN_OF.get(NodeType(node.type))
    if column is not None:
        return Scope(column=column, ids=(node.pk,), workspaces=(node.workspace_id,))
    neighbours = set(chain(_pairs(node, "connections"), _pairs(node, "connected_from")))
    for kind, kind_column in COLUMN_OF.items():
        ids = tuple(sorted(pk for pk, type_ in neighbours if type_ == kind))
        if ids:
            return Scope(column=kind_column, ids=ids, workspaces=(node.workspace_id,))
    return None


def _pairs(node: Node, name: str) -> Iterable[tuple[int, str]]:
    related: Iterable[tuple[int, str]] = getattr(node, name).values_list("pk", "type")
    return related
