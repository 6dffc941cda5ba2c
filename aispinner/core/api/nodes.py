"""`/workspaces/{id}/nodes`: the blocks of the canvas, under the client's own ids, and how they are connected."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.db import transaction
from django.db.models import Prefetch, QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aispinner.core.access import node_in, workspace_for
from aispinner.core.api.fields import ConfigField, NodeIdField, NodeTypeField, StrictSerializer, TextField
from aispinner.core.auth import caller
from aispinner.core.errors import Conflict, Invalid
from aispinner.core.models import Node, NodeType, Role, Workspace
from aispinner.core.nodes import change_node, create_node, delete_node
from aispinner.core.workspaces import locked_workspace

MOST_CONNECTIONS = 1000


class ConnectionSerializer(StrictSerializer):
    """A line on the canvas."""

    to = NodeIdField()


class NodeSerializer(StrictSerializer):
    """The body of POST /workspaces/{workspace_id}/nodes."""

    shown_only = ("workspace_id", "created_at")

    node_id = NodeIdField()
    type = NodeTypeField()
    title = TextField(max_length=200, allow_blank=True, default="")
    config = ConfigField(default=dict)
    connections = serializers.ListField(child=ConnectionSerializer(), max_length=MOST_CONNECTIONS, default=list)


class ChangedNodeSerializer(NodeSerializer):
    """The body of PUT and PATCH …/nodes/{node_id}; `node_id` and `type` may be sent along, as they are."""

    node_id = NodeIdField(required=False)
    type = NodeTypeField(required=False)


class NodesFilterSerializer(serializers.Serializer[Any]):
    """The query of GET …/nodes."""

    type = serializers.CharField(required=False, allow_blank=True, help_text="One or more types, with commas between.")

    def validate_type(self, value: str) -> list[str]:
        """The types."""
        types = [each.strip() for each in value.split(",") if each.strip()]
        if any(each not in NodeType.values for each in types):
            raise serializers.ValidationError(f"Takes one or more of {', '.join(NodeType.values)}.")
        return types


class NodesView(APIView):
    """GET and POST /workspaces/{workspace_id}/nodes"""

    def get(self, request: Request, workspace_id: str) -> Response:
        """The nodes of a workspace, oldest first; with `type`, those of one or more types."""
        workspace = workspace_for(user=caller(request), workspace_id=workspace_id)
        query = NodesFilterSerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        found = _with_connections().filter(workspace=workspace).order_by("pk")
        if types := query.validated_data.get("type"):
            found = found.filter(type__in=types)
        nodes = [show(node) for node in found]
        return Response({"nodes": nodes, "total": len(nodes)})

    @transaction.atomic
    def post(self, request: Request, workspace_id: str) -> Response:
        """A new node: 201."""
        workspace = _editable(request, workspace_id)
        body = NodeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = {**body.validated_data, "connections": _names(body.validated_data["connections"])}
        node = create_node(workspace=workspace, **given)
        return Response(_shown(node), status=HTTPStatus.CREATED)


class NodeView(APIView):
    """GET, PUT, PATCH and DELETE /workspaces/{workspace_id}/nodes/{node_id}"""

    def get(self, request: Request, workspace_id: str, node_id: str) -> Response:
        """One node."""
        workspace = workspace_for(user=caller(request), workspace_id=workspace_id)
        return Response(_shown(node_in(workspace=workspace, node_id=node_id)))

    @transaction.atomic
    def put(self, request: Request, workspace_id: str, node_id: str) -> Response:
        """The node as sent: what is left out is emptied."""
        return self._change(request, workspace_id, node_id, partial=False)

    @transaction.atomic
    def patch(self, request: Request, workspace_id: str, node_id: str) -> Response:
        """The node with what is sent, each field as a whole; the others stay."""
        return self._change(request, workspace_id, node_id, partial=True)

    @transaction.atomic
    def delete(self, request: Request, workspace_id: str, node_id: str) -> Response:
        """Remove it, and what it holds: 204; 409 where campaigns or calls refer to it."""
        delete_node(node=node_in(workspace=_editable(request, workspace_id), node_id=node_id))
        return Response(status=HTTPStatus.NO_CONTENT)

    def _change(self, request: Request, workspace_id: str, node_id: str, *, partial: bool) -> Response:
        node = node_in(workspace=_editable(request, workspace_id), node_id=node_id)
        body = ChangedNodeSerializer(data=request.data, partial=partial)
        body.is_valid(raise_exception=True)
        given = dict(body.validated_data)
        _refuse_another_identity(node, given.pop("node_id", node.node_id), given.pop("type", node.type))
        if "connections" in given:
            given["connections"] = _names(given["connections"])
        return Response(_shown(change_node(node=node, **given)))


def show(node: Node) -> dict[str, Any]:
    """A node as the API shows it."""
    return {
        "node_id": node.node_id,
        "type": str(node.type),
        "title": node.title,
        "config": node.config,
        "connections": [{"to": other.node_id} for other in node.connections.all()],
        "workspace_id": node.workspace_id,
        "created_at": node.created_at,
    }


def _shown(node: Node) -> dict[str, Any]:
    return show(_with_connections().get(pk=node.pk))


def _with_connections() -> QuerySet[Node]:
    return Node.objects.prefetch_related(Prefetch("connections", queryset=Node.objects.order_by("pk")))


def _names(connections: list[dict[str, str]]) -> list[str]:
    return [each["to"] for each in connections]


def _editable(request: Request, workspace_id: str) -> Workspace:
    return locked_workspace(user=caller(request), workspace_id=workspace_id, role=Role.EDITOR)


def _refuse_another_identity(node: Node, node_id: str, type_: str) -> None:
    if node_id != node.node_id:
        raise Invalid("node_id: A node keeps its id.", errors={"node_id": ["A node keeps its id."]})
    if type_ != node.type:
        raise Conflict(f"Node {node.node_id} is of type {node.type} for good. Delete it and make another.")
