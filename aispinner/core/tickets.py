"""What opens a socket: a bearer token or a login, or a ticket made from one, which is good once and for a minute.

A page cannot send headers with a WebSocket, and a token does not belong in an address: servers and proxies log those.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from importlib import import_module
from secrets import token_urlsafe

import orjson
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils import timezone
from knox.crypto import hash_token

from aispinner.core import broker
from aispinner.core.auth import LONGEST_TOKEN
from aispinner.core.models import ApiToken

GOOD_FOR = 60  # seconds
LONGEST_TICKET = 100  # characters; ours have 43


@dataclass(frozen=True, kw_only=True)
class Pass:
    """What somebody came in by: a token (its digest) or a login (its session). It is looked at again and again."""

    token: str = ""
    session: str = ""


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Whose pass it is, and until when it is good by itself."""

    user: User
    until: datetime | None


def pass_of_token(text: str) -> Pass:
    """The pass that a bearer token is; whether it is good, `holder_of` says."""
    return Pass(token=hash_token(text)) if text.isascii() and 0 < len(text) <= LONGEST_TOKEN else Pass()


def holder_of(given: Pass) -> Holder | None:
    """Whose pass it is; None where it is not, or no longer, good."""
    if given.token:
        token = ApiToken.objects.select_related("user").filter(digest=given.token).first()
        if token is None or not token.user.is_active or (token.expiry and token.expiry <= timezone.now()):
            return None
        return Holder(user=token.user, until=token.expiry)
    if given.session:
        request = HttpRequest()
        request.session = import_module(settings.SESSION_ENGINE).SessionStore(given.session)
        user = get_user(request)
        if isinstance(user, User) and user.is_active:
            return Holder(user=user, until=request.session.get_expiry_date())
    return None


def issue_ticket(given: Pass) -> str:
    """A new ticket for whoever holds this pass; a RedisError while Valkey is away."""
    ticket = token_urlsafe(32)
    broker.client().set(_key(ticket), orjson.dumps([given.token, given.session]), ex=GOOD_FOR)
    return ticket


def redeem_ticket(ticket: str) -> Pass | None:
    """The pass that the ticket was made from, once; None where it is used, expired or none of ours."""
    if not 0 < len(ticket) <= LONGEST_TICKET:
        return None
    found = broker.client().getdel(_key(ticket))
    if found is None:
        return None
    token, session = orjson.loads(str(found))
    return Pass(token=token, session=session)


def _key(ticket: str) -> str:
    return broker.key(f"ticket:{sha256(ticket.encode('utf-8', 'replace')).hexdigest()}")
