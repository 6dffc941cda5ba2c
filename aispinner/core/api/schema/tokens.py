"""Bearer tokens and socket tickets, described."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers

from aispinner.core.api.openapi import AUTHENTICATION, PUBLIC_ID, REALTIME, answered, describe, in_path, refusals, sent
from aispinner.core.api.tickets import SocketTicketView
from aispinner.core.api.tokens import OneTokenView, TokensView, TokenView

TOKEN = {"id": "tok_0mv1zk3q8r5t", "name": "canvas", "created_at": "2026-05-04T10:00:00Z", "expiry": None}


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
        description="It is refused everywhere within a second.",
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
