"""Bearer tokens: who is calling. Only digests are kept (django-rest-knox hashes them); a token is shown once."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import AnonymousUser, User
from django.utils import timezone
from knox.crypto import hash_token
from knox.models import get_digest_token
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.request import Request

from aispinner.core.models import ApiToken

LONGEST_TOKEN = 200  # characters; ours have 68
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
        token = _find(words[1].decode("latin-1"))
        if token is None:
            raise AuthenticationFailed(REFUSED)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """The value of WWW-Authenticate."""
        return "Bearer"


def issue_token(*, user: User, name: str = "", expiry: timedelta | None = None) -> tuple[ApiToken, str]:
    """A new token of `user`, its row and its text; good until revoked, or for as long as `expiry` says."""
    digest, text = get_digest_token()
    until = timezone.now() + expiry if expiry is not None else None
    return ApiToken.objects.create(user=user, name=name, digest=digest, expiry=until), text


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
    if not text or len(text) > LONGEST_TOKEN:
        return None
    token = ApiToken.objects.select_related("user").filter(digest=hash_token(text)).first()
    if token is None or not token.user.is_active or (token.expiry and token.expiry <= timezone.now()):
        return None
    return token
