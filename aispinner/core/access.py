"""Who may see and do what. Every query of the API starts here: nothing is found but through a membership."""

from __future__ import annotations

from collections.abc import Collection

from django.contrib.auth.models import User
from django.db import DEFAULT_DB_ALIAS
from django.db.models import QuerySet

from aispinner.core.errors import Forbidden, Invalid, NotFound
from aispinner.core.models import Membership, Node, NodeType, Role, Workspace
from aispinner.core.prepared import prepared

LARGEST_ID = 2**63 - 1
LONGEST_NODE_ID = 100

_NODE_FIELDS = ["id", "workspace_id", "node_id", "type", "title"]
_NODES_OF = """
SELECT {beside}, n.id, n.workspace_id, n.node_id, n.type, n.title
FROM core_node n
JOIN core_membership m ON m.workspace_id = n.workspace_id
WHERE n.node_id = %s AND m.user_id = %s
LIMIT 2
"""  # in words, as the ORM takes ten times as long to find them as the database to answer


def workspace_for(*, user: User, workspace_id: object, role: Role = Role.VIEWER) -> Workspace:
    """The workspace `workspace_id`, which `user` is a member of with at least `role`.

    NotFound (404) where there is no such membership, Forbidden (403) where its role is too small,
    Invalid (422) where the id is no number. The id may come as text, as paths and queries bring it.
    """
    number = as_id(workspace_id, field="workspace_id")
    membership = Membership.objects.select_related("workspace").filter(user=user, workspace_id=number).first()
    if membership is None:
        raise NotFound("Workspace not found. GET /workspaces lists yours.")
    _demand(membership, role)
    return membership.workspace


def node_for(
    *,
    user: User,
    workspace_id: object,
    node_id: object,
    role: Role = Role.VIEWER,
    types: Collection[NodeType] | None = None,
) -> Node:
    """The node of a workspace that `user` may see; one of `types`, where given (else Invalid, 422)."""
    workspace = workspace_for(user=user, workspace_id=workspace_id, role=role)
    return node_in(workspace=workspace, node_id=node_id, types=types)


def node_in(*, workspace: Workspace, node_id: object, types: Collection[NodeType] | None = None) -> Node:
    """The node `node_id` of a workspace that the caller is known to see."""
    node = Node.objects.filter(workspace=workspace, node_id=as_node_id(node_id)).first()
    if node is None:
        raise NotFound(f"Node not found in this workspace. GET /workspaces/{workspace.pk}/nodes lists its nodes.")
    node.workspace = workspace
    if types is not None and node.type not in types:
        allowed = " or ".join(sorted(types))
        raise Invalid(
            f"Node {node.node_id} is of type {node.type}; this takes {allowed}.",
            errors={"node_id": [f"Takes {allowed}."]},
        )
    return node


def choose_workspace(
    *, user: User, workspace_id: object = None, node_id: object = None, role: Role = Role.VIEWER
) -> Workspace:
    """The workspace named by `workspace_id`; without one, the caller's only workspace that holds `node_id`, else
    that of the caller's oldest membership.

    Invalid (422) naming the choices where several of the caller's workspaces hold the node; else as `workspace_for`.
    """
    if not _left_out(workspace_id):
        return workspace_for(user=user, workspace_id=workspace_id, role=role)
    mine = Membership.objects.select_related("workspace").filter(user=user).order_by("created_at", "pk")
    chosen = None
    if not _left_out(node_id):
        holding = list(mine.filter(workspace__nodes__node_id=as_node_id(node_id)))
        if len(holding) > 1:
            raise _ambiguous(holding)
        chosen = holding[0] if holding else None
    chosen = chosen or mine.first()
    if chosen is None:
        raise NotFound("You are a member of no workspace. POST /workspaces makes one.")
    _demand(chosen, role)
    return chosen.workspace


def choose_node(
    *, user: User, workspace_id: object = None, node_id: object, beside: str = "NULL"
) -> tuple[Node, int | None]:
    """The node `node_id` of the workspace that `choose_workspace` chooses; mostly in one query, as it is mostly one.

    Of that one, config and workspace are read when they are asked for. With it comes what `beside` is, SQL of our own
    and never of a request: each way to the database and back costs more than what is asked there. None where it took
    more queries.
    """
    if _left_out(workspace_id):
        found = _nodes_of(user=user, node_id=as_node_id(node_id), beside=beside)
        if len(found) == 1:
            return found[0]
    workspace = choose_workspace(user=user, workspace_id=workspace_id, node_id=node_id)
    return node_in(workspace=workspace, node_id=node_id), None


def visible_workspaces(user: User) -> QuerySet[Workspace]:
    """The workspaces that `user` is a member of."""
    return Workspace.objects.filter(memberships__user=user)


def as_id(value: object, *, field: str) -> int:
    """A row's id from what a client sent; Invalid (422) where it is no whole number, NotFound (404) where too large."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value) if len(value) <= 19 else LARGEST_ID + 1
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON knows no difference between 1 and 1.0
    if not isinstance(value, int) or isinstance(value, bool):
        raise Invalid(f"{field} takes a whole number.", errors={field: ["Takes a whole number."]})
    if not 0 <= value <= LARGEST_ID:
        raise NotFound(f"Nothing has the {field} that you sent.")
    return value


def as_node_id(value: object) -> str:
    """A node's id from what a client sent; Invalid (422) where it is no text, or text that no id could be."""
    if not isinstance(value, str) or "\0" in value or not value.isprintable():
        raise Invalid("node_id takes text, as in GET /workspaces/{id}/nodes.", errors={"node_id": ["Takes text."]})
    if len(value) > LONGEST_NODE_ID:
        raise NotFound("Node not found: no node id is that long.")
    return value


def _nodes_of(*, user: User, node_id: str, beside: str) -> list[tuple[Node, int | None]]:
    """Up to two nodes of this id that `user` may see; asked with every look at a journal."""
    with prepared() as cursor:
        cursor.execute(_NODES_OF.format(beside=beside), [node_id, user.pk])
        return [(Node.from_db(DEFAULT_DB_ALIAS, _NODE_FIELDS, row[1:]), row[0]) for row in cursor.fetchall()]


def _left_out(value: object) -> bool:
    return value is None or value == ""


def _demand(membership: Membership, role: Role) -> None:
    if not Role(membership.role).includes(role):
        raise Forbidden(f"This takes the role {role.value} in the workspace; yours is {membership.role}. Ask an owner.")


def _ambiguous(holding: list[Membership]) -> Invalid:
    choices = ", ".join(f"{each.workspace_id} ({each.workspace.name})" for each in holding)
    sentence = f"Several of your workspaces hold this node: {choices}. Say which with workspace_id."
    return Invalid(sentence, errors={"workspace_id": [sentence]})
