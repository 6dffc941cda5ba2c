"""The nodes of a workspace's canvas: made, changed, connected and removed, under the workspace's lock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import IntegrityError, models, transaction

from aispinner.core.audit import record
from aispinner.core.errors import Conflict, Invalid
from aispinner.core.models import Node, NodeType, Workspace

_STAYS = (
    "Campaigns or calls went through this node, and their records name it. "
    "Empty its connections to take it out of use; deleting the workspace deletes it as well."
)


@transaction.atomic
def create_node(
    *,
    workspace: Workspace,
    node_id: str,
    type: NodeType,  # noqa: A002 - the field's own name
    title: str = "",
    config: Mapping[str, Any] | None = None,
    connections: Sequence[str] = (),
) -> Node:
    """A new node, connected to the nodes that `connections` names.

    Conflict (409) where the id is taken, Invalid (422) naming what it cannot be connected to.
    """
    try:
        with transaction.atomic():
            node = Node.objects.create(
                workspace=workspace, node_id=node_id, type=type, title=title, config=dict(config or {})
            )
    except IntegrityError:
        raise Conflict(f"This workspace has a node {node_id} already. PUT or PATCH that, or take another id.") from None
    node.connections.set(_targets(node, connections))
    record(action="node.made", about=node, workspace=workspace, changes={"type": node.type})
    return node


@transaction.atomic
def change_node(
    *,
    node: Node,
    title: str | None = None,
    config: Mapping[str, Any] | None = None,
    connections: Sequence[str] | None = None,
) -> Node:
    """Write what is given, each as a whole; None leaves it as it is. Invalid (422) as in `create_node`."""
    given = {"title": title, "config": config, "connections": connections}
    if title is not None:
        node.title = title
    if config is not None:
        node.config = dict(config)
    node.save(update_fields=["title", "config"])
    if connections is not None:
        node.connections.set(_targets(node, connections))
    fields = [name for name, value in given.items() if value is not None]
    record(action="node.changed", about=node, workspace=node.workspace, changes={"fields": fields})
    return node


@transaction.atomic
def delete_node(*, node: Node) -> None:
    """Remove the node with its agent or phone provider. Conflict (409) where campaigns or calls refer to it."""
    Node.objects.select_for_update().get(pk=node.pk)  # who refers to it at this moment waits, and is refused
    if _is_referred_to(node):
        raise Conflict(_STAYS)
    record(action="node.deleted", about=node, workspace=node.workspace, changes={"type": node.type})
    try:
        node.delete()
    except models.RestrictedError:  # not the node, but the agent that goes with it
        raise Conflict(_STAYS) from None


def _targets(node: Node, names: Sequence[str]) -> list[Node]:
    found = {each.node_id: each for each in Node.objects.filter(workspace=node.workspace_id, node_id__in=names)}
    errors = {}
    for position, name in enumerate(names):
        if name == node.node_id:
            errors[f"connections.{position}.to"] = ["A node is not connected to itself."]
        elif name not in found:
            errors[f"connections.{position}.to"] = [f"There is no node {name} in this workspace. Make it first."]
    if errors:
        place, sentences = next(iter(errors.items()))
        raise Invalid(f"{place}: {sentences[0]}", errors=errors)
    return list(found.values())


def _is_referred_to(node: Node) -> bool:
    """Whether a row of a floor above restricts the deletion. Django would load all such rows, to say the same."""
    return any(
        relation.related_model._base_manager.filter(**{relation.field.name: node}).exists()
        for relation in Node._meta.related_objects
        if getattr(relation, "on_delete", None) is models.RESTRICT
    )
