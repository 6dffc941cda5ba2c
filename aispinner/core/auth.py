"""Who is calling: a bearer token's owner, or who is logged in on a page of ours.

Of tokens only digests are kept (django-rest-knox hashes them); a token is shown once.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cache

from django.contrib.auth.models import AnonymousUser, User
from django.db import DEFAULT_DB_ALIAS, transaction
from django.utils import timezone
from knox.crypto import hash_token
from knox.models import get_digest_token
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.authentication import SessionAuthentication as SessionWithCsrf
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated, PermissionDenied
from rest_framework.request import Request

from aispinner.core.audit import record
from aispinner.core.errors import Forbidden
from aispinner.core.models import ApiToken
from aispinner.core.prepared import prepared
from aispinner.core.recent import Recent

LONGEST_TOKEN = 200  # characters; ours have 68
recent_tokens: Recent[ApiToken] = Recent(ApiToken, User)
REFUSED = "This token is not valid: it may be mistyped, revoked or expired. POST /auth/token makes a new one."


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>`; sets `request.user` and, as `request.auth`, the token's row."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """Who calls; None where nothing was sent; AuthenticationFailed (401) where it is not, or no longer, good."""
        words = get_authorization_header(request).split()
        if not words or words[0].lower() != b"bearer":
            return None
        if len(words) != 2:
            raise AuthenticationFailed(
                "Send the token as `Authorization: Bearer <token>`, with nothing before or after it."
            )
        token = _find_lately(words[1].decode("latin-1"))
        if token is None:
            raise AuthenticationFailed(REFUSED)
        return _own(token.user), token

    def authenticate_header(self, request: Request) -> str:
        """The value of WWW-Authenticate."""
        return "Bearer"


class SessionAuthentication(SessionWithCsrf):
    """A browser that is logged in, on a page of ours: its session's cookie, which no other origin may use.

    What changes anything also takes the CSRF token (`X-CSRFToken`); what answers is readable by our own origin alone,
    as CORS allows no credentials. `request.auth` stays None.
    """

    def enforce_csrf(self, request: Request) -> None:
        """Forbidden (403) where the request may have been another site's idea."""
        try:
            super().enforce_csrf(request)
        except PermissionDenied as refused:
            raise Forbidden("The page is out of date: its CSRF token is missing or old. Load it again.") from refused


def issue_token(*, user: User, name: str = "", expiry: timedelta | None = None) -> tuple[ApiToken, str]:
    """A new token of `user`, its row and its text; good until revoked, or for as long as `expiry` says."""
    digest, text = get_digest_token()
    until = timezone.now() + expiry if expiry is not None else None
    with transaction.atomic():
        token = ApiToken.objects.create(user=user, name=name, digest=digest, expiry=until)
        record(action="token.made", about=token, workspace=None, changes={"of": user.get_username()}, by=user)
    return token, text


@transaction.atomic
def revoke_token(*, token: ApiToken) -> None:
    """Refused everywhere from the commit on, or within half a second of it by processes that have just served it."""
    record(action="token.revoked", about=token, workspace=None, changes={"of": token.user.get_username()})
    token.delete()


def user_for_token(text: str) -> User | None:
    """Whose bearer token this is, for `?token=` in media addresses and for sockets; None where it is not good."""
    token = _find(text)
    return token.user if token else None


def caller(request: Request) -> User:
    """The authenticated user, typed; NotAuthenticated (401) where there is none."""
    user = request.user
    if isinstance(user, AnonymousUser) or not isinstance(user, User):
        raise NotAuthenticated
    return user


def _find(text: str) -> ApiToken | None:
    return _look_up(hash_token(text)) if _may_be_one(text) else None


def _find_lately(text: str) -> ApiToken | None:
    """As it was at most `recent.GOOD_FOR` ago: for requests, of which there may be hundreds a second."""
    if not _may_be_one(text):
        return None
    digest, look = hash_token(text), recent_tokens.look()
    known = recent_tokens.recall(digest)
    if known is not None:
        return known if _is_good(known) else None
    token = _look_up(digest)
    if token is not None:
        recent_tokens.remember(digest, token, look)
    return token


def _own(user: User) -> User:
    """A copy for one request: what is done to it there, no other sees. `copy.copy` takes twenty times as long."""
    own = User.__new__(User)
    own.__dict__.update(user.__dict__)
    return own


def _may_be_one(text: str) -> bool:
    return 0 < len(text) <= LONGEST_TOKEN


def _look_up(digest: str) -> ApiToken | None:
    columns, words = _words()
    with prepared() as cursor:
        cursor.execute(words, [digest])
        row = cursor.fetchone()
    if row is None:
        return None
    token = ApiToken.from_db(DEFAULT_DB_ALIAS, columns, row[: len(columns)])
    token.user = User.from_db(DEFAULT_DB_ALIAS, [f.attname for f in User._meta.concrete_fields], row[len(columns) :])
    return token if _is_good(token) else None


@cache
def _words() -> tuple[list[str], str]:
    """A token's columns, and the statement that finds them and its user's: the ORM's, which is long in finding it."""
    words, _ = ApiToken.objects.select_related("user").filter(digest="").query.sql_with_params()
    return [field.attname for field in ApiToken._meta.concrete_fields], words


def _is_good(token: ApiToken) -> bool:
    return token.user.is_active and not (token.expiry and token.expiry <= timezone.now())
