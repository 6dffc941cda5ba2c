"""Workspaces, their members and nodes, described."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers

from aispinner.core.api.fields import NodeTypeField, RoleField
from aispinner.core.api.members import MemberSerializer, MembersView, MemberView, NewMemberSerializer
from aispinner.core.api.nodes import ChangedNodeSerializer, NodeSerializer, NodesView, NodeView
from aispinner.core.api.openapi import (
    ID,
    NO_NODE,
    NO_WORKSPACE,
    NODE_PATH,
    NOT_EDITOR,
    NOT_OWNER,
    WORKSPACE_PATH,
    WORKSPACES,
    answered,
    describe,
    in_path,
    refusals,
    sent,
    words,
)
from aispinner.core.api.workspaces import WorkspaceSerializer, WorkspacesView, WorkspaceView
from aispinner.core.models import NodeType

WORKSPACE = {"id": 1, "name": "Demo workspace", "role": "owner", "created_at": "2026-05-04T09:00:00Z"}
MEMBER = {"user_id": 7, "username": "ada", "role": "editor", "created_at": "2026-05-04T09:30:00Z"}
NEW_NODE = {
    "node_id": "pbx_abc123",
    "type": "ai.pbx",
    "title": "Reception",
    "config": {},
    "connections": [{"to": "phone_abc"}, {"to": "agent_xyz"}],
}
NODE = {**NEW_NODE, "workspace_id": 1, "created_at": "2026-05-04T09:10:00Z"}


class Workspace(serializers.Serializer[Any]):
    """A workspace as one of its members sees it."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    role = RoleField(help_text="Yours: viewers read, editors also run campaigns and change nodes, owners do all.")
    created_at = serializers.DateTimeField()


class Workspaces(serializers.Serializer[Any]):
    """A user's workspaces."""

    workspaces = Workspace(many=True)
    total = serializers.IntegerField()


class Member(serializers.Serializer[Any]):
    """Who is in a workspace."""

    user_id = serializers.IntegerField()
    username = serializers.CharField()
    role = RoleField()
    created_at = serializers.DateTimeField()


class Members(serializers.Serializer[Any]):
    """A workspace's members."""

    members = Member(many=True)
    total = serializers.IntegerField()


class Connection(serializers.Serializer[Any]):
    """A line on the canvas."""

    to = serializers.CharField(help_text="The other node's id.")


class Node(serializers.Serializer[Any]):
    """A block of the canvas."""

    node_id = serializers.CharField(help_text="The client's own id, unique in its workspace.")
    type = NodeTypeField()
    title = serializers.CharField()
    config = serializers.DictField(help_text="The client's own; `voice_stack` says what calls are placed through.")
    connections = Connection(many=True)
    workspace_id = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class Nodes(serializers.Serializer[Any]):
    """A workspace's nodes."""

    nodes = Node(many=True)
    total = serializers.IntegerField()


describe(
    WorkspacesView,
    get=extend_schema(
        operation_id="list_workspaces",
        tags=[WORKSPACES],
        summary="List Workspaces",
        description="Yours. The first is the one that is meant where no `workspace_id` is sent.",
        responses=Workspaces,
        examples=[answered({"workspaces": [WORKSPACE], "total": 1})],
    ),
    post=extend_schema(
        operation_id="create_workspace",
        tags=[WORKSPACES],
        summary="Make a Workspace",
        description="You are its first owner.",
        request=WorkspaceSerializer,
        responses={201: Workspace},
        examples=[sent({"name": "Demo workspace"}), answered(WORKSPACE, status=201)],
    ),
)
describe(
    WorkspaceView,
    get=extend_schema(
        operation_id="get_workspace",
        tags=[WORKSPACES],
        summary="Get a Workspace",
        description="Its name, and your role in it.",
        parameters=[WORKSPACE_PATH],
        responses={200: Workspace, **refusals({404: NO_WORKSPACE})},
        examples=[answered(WORKSPACE)],
    ),
    patch=extend_schema(
        operation_id="rename_workspace",
        tags=[WORKSPACES],
        summary="Rename a Workspace",
        description="Owners only.",
        parameters=[WORKSPACE_PATH],
        request=WorkspaceSerializer,
        responses={200: Workspace, **refusals({403: NOT_OWNER, 404: NO_WORKSPACE})},
        examples=[sent({"name": "Demo workspace"}), answered(WORKSPACE)],
    ),
)
describe(
    MembersView,
    get=extend_schema(
        operation_id="list_members",
        tags=[WORKSPACES],
        summary="List Members",
        description="Who is in the workspace, oldest first.",
        parameters=[WORKSPACE_PATH],
        responses={200: Members, **refusals({404: NO_WORKSPACE})},
        examples=[answered({"members": [MEMBER], "total": 1})],
    ),
    post=extend_schema(
        operation_id="add_member",
        tags=[WORKSPACES],
        summary="Add a Member",
        description="Let a user of this server in, by their name. Owners only.",
        parameters=[WORKSPACE_PATH],
        request=NewMemberSerializer,
        responses={
            201: Member,
            **refusals({403: NOT_OWNER, 404: NO_WORKSPACE, 409: "The user is a member already."}),
        },
        examples=[sent({"username": "ada", "role": "editor"}), answered(MEMBER, status=201)],
    ),
)
_MEMBER_PATH = in_path("user_id", ID, "As in the list of members.", example=7)
_NO_MEMBER = "You are in no such workspace, or it has no such member."
_LAST_OWNER = "A workspace is never without an owner."
describe(
    MemberView,
    patch=extend_schema(
        operation_id="change_member",
        tags=[WORKSPACES],
        summary="Change a Member's Role",
        description="It counts from the next request on. Owners only.",
        parameters=[WORKSPACE_PATH, _MEMBER_PATH],
        request=MemberSerializer,
        responses={200: Member, **refusals({403: NOT_OWNER, 404: _NO_MEMBER, 409: _LAST_OWNER})},
        examples=[sent({"role": "editor"}), answered(MEMBER)],
    ),
    delete=extend_schema(
        operation_id="remove_member",
        tags=[WORKSPACES],
        summary="Remove a Member",
        description="From the next request on, they see nothing of the workspace. Owners only.",
        parameters=[WORKSPACE_PATH, _MEMBER_PATH],
        responses={204: None, **refusals({403: NOT_OWNER, 404: _NO_MEMBER, 409: _LAST_OWNER})},
    ),
)
describe(
    NodesView,
    get=extend_schema(
        operation_id="list_nodes",
        tags=[WORKSPACES],
        summary="List Nodes",
        description="The blocks of the workspace's canvas, oldest first.",
        parameters=[WORKSPACE_PATH, words("type", NodeType.values, "Only nodes of these types, with commas between.")],
        responses={200: Nodes, **refusals({404: NO_WORKSPACE})},
        examples=[answered({"nodes": [NODE], "total": 1})],
    ),
    post=extend_schema(
        operation_id="create_node",
        tags=[WORKSPACES],
        summary="Make a Node",
        description=(
            "The id is yours. An `ai.agent` node is what an agent is adopted into, an `ai.phone_number` node what a "
            "phone provider is set on; a PBX uses those that it is connected to."
        ),
        parameters=[WORKSPACE_PATH],
        request=NodeSerializer,
        responses={201: Node, **refusals({403: NOT_EDITOR, 404: NO_WORKSPACE, 409: "The id is taken."})},
        examples=[sent(NEW_NODE), answered(NODE, status=201)],
    ),
)
_CHANGED = {
    200: Node,
    **refusals({403: NOT_EDITOR, 404: NO_NODE, 409: "A node keeps its type: delete it and make another."}),
}
describe(
    NodeView,
    get=extend_schema(
        operation_id="get_node",
        tags=[WORKSPACES],
        summary="Get a Node",
        description="One block of the canvas.",
        parameters=[WORKSPACE_PATH, NODE_PATH],
        responses={200: Node, **refusals({404: NO_NODE})},
        examples=[answered(NODE)],
    ),
    put=extend_schema(
        operation_id="replace_node",
        tags=[WORKSPACES],
        summary="Replace a Node",
        description="Its title, configuration and connections as sent; what is left out is emptied.",
        parameters=[WORKSPACE_PATH, NODE_PATH],
        request=ChangedNodeSerializer,
        responses=_CHANGED,
        examples=[sent(NEW_NODE), answered(NODE)],
    ),
    patch=extend_schema(
        operation_id="change_node",
        tags=[WORKSPACES],
        summary="Change a Node",
        description="What is sent, each field as a whole; the others stay.",
        parameters=[WORKSPACE_PATH, NODE_PATH],
        request=ChangedNodeSerializer,
        responses=_CHANGED,
        examples=[sent({"title": "Reception"}), answered(NODE)],
    ),
    delete=extend_schema(
        operation_id="delete_node",
        tags=[WORKSPACES],
        summary="Delete a Node",
        description="With the agent or the phone provider that it holds.",
        parameters=[WORKSPACE_PATH, NODE_PATH],
        responses={
            204: None,
            **refusals({403: NOT_EDITOR, 404: NO_NODE, 409: "Campaigns or calls went through this node."}),
        },
    ),
)
