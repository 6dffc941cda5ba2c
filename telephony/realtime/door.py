"""Who may open a socket, and how one is told that it ends."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any
from urllib.parse import parse_qs

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest

from aispinner.core.models import Membership
from aispinner.core.tickets import Holder, Pass, holder_of, pass_of_token, redeem_ticket

BEARER = "bearer"
UNAUTHENTICATED = "Send a bearer token (Authorization header, or subprotocol after `bearer`) or ?ticket=…"
REFUSED = "This token or ticket is not valid: mistyped, used, revoked or expired."
FOREIGN_ORIGIN = "This origin is not allowed: CORS_ALLOWED_ORIGINS names those that are."
FOREIGN_HOST = "This is not an address of this server: ALLOWED_HOSTS names them."


class Close(IntEnum):
    """RFC 6455 §7.4.1, the IANA registry, and our own, which say what the status of HTTP would."""

    TOO_LARGE = 1009
    FAULT = 1011
    RESTART = 1012
    TRY_LATER = 1013
    UNAUTHENTICATED = 4401
    FORBIDDEN = 4403
    SLOW = 4408
    TOO_MANY = 4429


class EndedError(Exception):
    """The socket is closed, for a reason that its client is told."""

    def __init__(self, code: Close, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


@dataclass(frozen=True, kw_only=True)
class Visit:
    """Who has come: by which address of ours, with which pass. `holder` is as of then."""

    root: str
    given: Pass
    holder: Holder


def visit_of(scope: Mapping[str, Any]) -> Visit:
    """Let a handshake in; EndedError where it may not. (Reads the database and Valkey.)"""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    root = _root(scope, headers)
    if not _is_welcome(headers.get("origin"), root):
        raise EndedError(Close.FORBIDDEN, FOREIGN_ORIGIN)
    given = _given(scope, headers)
    holder = holder_of(given) if given is not None else None
    if given is None or holder is None:
        raise EndedError(Close.UNAUTHENTICATED, REFUSED)
    return Visit(root=root, given=given, holder=holder)


def workspaces_of(holder: Holder, among: Collection[int]) -> set[int]:
    """Those of the workspaces that the holder may watch."""
    mine = Membership.objects.filter(user=holder.user, workspace_id__in=among)
    return set(mine.values_list("workspace_id", flat=True))


def _root(scope: Mapping[str, Any], headers: Mapping[str, str]) -> str:
    """The server's address, as every request of Django's has it."""
    request = HttpRequest()
    plain = {name: value for name, value in headers.items() if "_" not in name}
    request.META = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in plain.items()}
    scheme = scope.get("scheme", "ws")
    host, port = scope.get("server") or ("", None)
    request.META["SERVER_NAME"], request.META["SERVER_PORT"] = host, str(port or 80)
    forwarded = settings.SECURE_PROXY_SSL_HEADER
    is_https = request.META.get(forwarded[0]) == forwarded[1] if forwarded else scheme in {"wss", "https"}
    try:
        return f"{'https' if is_https else 'http'}://{request.get_host()}"
    except DisallowedHost as foreign:
        raise EndedError(Close.FORBIDDEN, FOREIGN_HOST) from foreign


def _is_welcome(origin: str | None, root: str) -> bool:
    """Browsers say where a page comes from. Other clients do not: no page can make them send anything."""
    return origin is None or origin in {root, *settings.CORS_ALLOWED_ORIGINS, *settings.CSRF_TRUSTED_ORIGINS}


def _given(scope: Mapping[str, Any], headers: Mapping[str, str]) -> Pass | None:
    """The first of: a ticket, a token after the subprotocol `bearer`, the Authorization header."""
    tickets = parse_qs(scope["query_string"].decode("latin-1")).get("ticket")
    if tickets:
        return redeem_ticket(tickets[-1])
    offered = list(scope.get("subprotocols") or ())
    if BEARER in offered[:-1]:
        return pass_of_token(offered[offered.index(BEARER) + 1])
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != BEARER:
        raise EndedError(Close.UNAUTHENTICATED, UNAUTHENTICATED)
    return pass_of_token(token.strip())
