"""Tokens, workspaces, members, nodes and the audit trail, described for `/api/schema`: importing it annotates views."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers

from aispinner.core.api.audit import AuditView
from aispinner.core.api.fields import NodeTypeField, RoleField
from aispinner.core.api.members import MemberSerializer, MembersView, MemberView, NewMemberSerializer
from aispinner.core.api.nodes import ChangedNodeSerializer, NodeSerializer, NodesView, NodeView
from aispinner.core.api.openapi import (
    AUTHENTICATION,
    ID,
    NODE_PATH,
    PUBLIC_ID,
    REALTIME,
    WORKSPACE_PATH,
    WORKSPACES,
    answered,
    describe,
    in_path,
    query,
    refusals,
    sent,
    words,
)
from aispinner.core.api.tickets import SocketTicketView
from aispinner.core.api.tokens import OneTokenView, TokensView, TokenView
from aispinner.core.api.workspaces import WorkspaceSerializer, WorkspacesView, WorkspaceView
from aispinner.core.models import NodeType, Via

NOT_OWNER = "You are in the workspace, but not as an owner."
NOT_EDITOR = "You are in the workspace, but only as a viewer."
NO_WORKSPACE = "You are in no such workspace."
NO_NODE = "You are in no such workspace, or it has no such node."
TOKEN = {"id": "tok_0mv1zk3q8r5t", "name": "canvas", "created_at": "2026-05-04T10:00:00Z", "expiry": None}
WORKSPACE = {"id": 1, "name": "Demo workspace", "role": "owner", "created_at": "2026-05-04T09:00:00Z"}
MEMBER = {"user_id": 7, "username": "ada", "role": "editor", "created_at": "2026-05-04T09:30:00Z"}
NEW_NODE = {
    "node_id": "pbx_abc123",
    "type": "ai.pbx",
    "title": "Reception",
    "config": {},
    "connections": [{"to": "phone_abc"}, {"to": "agent_xyz"}],
}
ENTRY = {
    "id": 812,
    "at": "2026-05-04T10:12:00Z",
    "action": "campaign.renamed",
    "object": {"kind": "campaign", "id": "camp_0mv1zk3q8r5t", "name": "Q2 outbound"},
    "changes": {"name": ["", "Q2 outbound"]},
    "user": {"user_id": 7, "username": "ada"},
    "via": "api",
    "token": {"id": "tok_0mv1zk3q8r5t", "name": "canvas"},
    "request_id": "0b2f7c1e-6d0f-4f57-9a53-2f0c8b0c7a11",
}
NODE = {**NEW_NODE, "workspace_id": 1, "created_at": "2026-05-04T09:10:00Z"}


@extend_schema_field({"type": ["integer", "number", "string", "null"]})
class Expiry(serializers.JSONField):
    """Seconds, or a moment."""


class Login(serializers.Serializer[Any]):
    """A name and a password."""

    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=1000)
    name = serializers.CharField(max_length=200, required=False, help_text="What uses the token, for the list.")
    expiry = Expiry(
        required=False,
        help_text="How long it is good: seconds from now, or an ISO 8601 date and time. Left out: until revoked.",
    )


class Token(serializers.Serializer[Any]):
    """A bearer token, without its text."""

    id = serializers.CharField(help_text="For revoking it.")
    name = serializers.CharField()
    created_at = serializers.DateTimeField()
    expiry = serializers.DateTimeField(allow_null=True)


class NewToken(Token):
    """A bearer token, shown this once."""

    token = serializers.CharField(help_text="Send it as `Authorization: Bearer <token>`. It is not shown again.")


class Tokens(serializers.Serializer[Any]):
    """A user's tokens."""

    tokens = Token(many=True)
    total = serializers.IntegerField()


class SocketTicket(serializers.Serializer[Any]):
    """What opens a socket, once."""

    ticket = serializers.CharField(help_text="For `/ws/events?ticket=…`.")
    expires_in = serializers.IntegerField(help_text="Seconds from now.")


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


class AuditObject(serializers.Serializer[Any]):
    """What something was done to."""

    kind = serializers.CharField(help_text="`campaign`, `key`, `member`, `node`, …: the first word of the action.")
    id = serializers.CharField(help_text="As the API calls it.")
    name = serializers.CharField(help_text="As it was called then.")


class AuditUser(serializers.Serializer[Any]):
    """Who did it."""

    user_id = serializers.IntegerField()
    username = serializers.CharField(help_text="As it was then.")


class AuditToken(serializers.Serializer[Any]):
    """The token it was done by."""

    id = serializers.CharField()
    name = serializers.CharField()


class AuditEntry(serializers.Serializer[Any]):
    """Something that somebody did."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    action = serializers.CharField(help_text="`campaign.paused`, `member.added`, …")
    object = AuditObject()
    changes = serializers.DictField(help_text="By name: what is new, or `[old, new]`. Never a secret or a number.")
    user = AuditUser(allow_null=True, help_text="null: the server itself.")
    via = serializers.ChoiceField(choices=Via.choices)
    token = AuditToken(allow_null=True)
    request_id = serializers.CharField(help_text="As in the answer's `X-Request-ID`, and in the log.")


class Audit(serializers.Serializer[Any]):
    """A page of a workspace's audit trail."""

    entries = AuditEntry(many=True)
    total = serializers.IntegerField(help_text="All that match the filters, not only this page.")
    has_more = serializers.BooleanField(help_text="Whether there are older ones.")


describe(
    AuditView,
    get=extend_schema(
        operation_id="list_audit_entries",
        tags=[WORKSPACES],
        summary="Read the Audit Trail",
        description=(
            "Who did what in the workspace, newest first; entries are never changed or deleted. Owners only. For older "
            "ones, send the last entry's `id` as `before_id`."
        ),
        parameters=[
            WORKSPACE_PATH,
            query("before_id", ID, "Only entries older than this one.", example=812),
            query(
                "limit", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}, "Entries in the answer."
            ),
            query(
                "action", {"type": "string", "maxLength": 60}, "`campaign.paused`, or `campaign` for all about them."
            ),
            query("object_id", {"type": "string", "maxLength": 100}, "What it was done to, as the API calls it."),
            query("user_id", ID, "Who did it."),
            query("via", {"type": "string", "enum": list(Via.values)}, "How they came in."),
        ],
        responses={200: Audit, **refusals({403: NOT_OWNER, 404: NO_WORKSPACE})},
        examples=[answered({"entries": [ENTRY], "total": 1, "has_more": False})],
    ),
)
describe(
    TokenView,
    post=extend_schema(
        operation_id="create_token",
        tags=[AUTHENTICATION],
        summary="Make a Token",
        description="A new bearer token for a name and a password. Ten attempts a minute for each name and address.",
        request=Login,
        responses={201: NewToken, **refusals({401: "The username or the password is wrong."})},
        examples=[
            sent({"username": "demo", "password": "demo", "name": "canvas"}),
            answered({"token": "ais_…", **TOKEN}, status=201),
        ],
    ),
)
describe(
    TokensView,
    get=extend_schema(
        operation_id="list_tokens",
        tags=[AUTHENTICATION],
        summary="List Tokens",
        description="Your tokens, newest first, without their text.",
        responses=Tokens,
        examples=[answered({"tokens": [TOKEN], "total": 1})],
    ),
)
describe(
    OneTokenView,
    delete=extend_schema(
        operation_id="revoke_token",
        tags=[AUTHENTICATION],
        summary="Revoke a Token",
        description="From this moment on it is refused everywhere.",
        parameters=[
            in_path(
                "public_id",
                {**PUBLIC_ID, "pattern": "^[-a-zA-Z0-9_]+$"},
                "The token's `id`.",
                example="tok_0mv1zk3q8r5t",
            )
        ],
        responses={204: None, **refusals({404: "You have no such token."})},
    ),
)
describe(
    SocketTicketView,
    post=extend_schema(
        operation_id="create_ws_ticket",
        tags=[REALTIME],
        summary="Make a Socket Ticket",
        description=(
            "For pages, which cannot send headers with a WebSocket: open `/ws/events?ticket=…` with it within a "
            "minute. It is good once, and what it opens is closed when your token is revoked or your login ends."
        ),
        request=None,
        responses={201: SocketTicket},
        examples=[answered({"ticket": "c0Jq5Wn9Yx2m7PzT4vK8sLd1RfHgBu3eAiQoXwCkZyM", "expires_in": 60}, status=201)],
    ),
)
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
