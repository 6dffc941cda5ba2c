"""`/auth/token` and `/auth/tokens`: bearer tokens made, listed and revoked by whom they belong to."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from http import HTTPStatus
from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from aispinner.core.auth import caller, issue_token, revoke_token
from aispinner.core.errors import NotFound
from aispinner.core.models import ApiToken

LONGEST = timedelta(days=3660)


class ExpiryField(serializers.Field[timedelta, Any, Any, Any]):
    """How long a token is good: seconds from now, or until an ISO 8601 date and time (UTC where it names no zone)."""

    def to_internal_value(self, data: object) -> timedelta:
        """The time from now; ValidationError where it is no time, past, or more than ten years."""
        if isinstance(data, (int, float)) and not isinstance(data, bool):
            left = timedelta(seconds=min(float(data), 2 * LONGEST.total_seconds()))
        else:
            left = self._moment(data) - timezone.now()
        if not timedelta(seconds=1) <= left <= LONGEST:
            raise serializers.ValidationError("Lies in the past, or more than ten years ahead.")
        return left

    def _moment(self, data: object) -> datetime:
        try:
            moment = parse_datetime(data) if isinstance(data, str) else None
        except ValueError:  # well written, but there is no such day
            moment = None
        if moment is None:
            raise serializers.ValidationError("Takes seconds from now, or an ISO 8601 date and time.")
        return moment if timezone.is_aware(moment) else timezone.make_aware(moment)


class LoginSerializer(serializers.Serializer[Any]):
    """The body of POST /auth/token."""

    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=1000, trim_whitespace=False)
    name = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")
    expiry = ExpiryField(required=False, allow_null=True, default=None)


class LoginThrottle(SimpleRateThrottle):
    """So many attempts a minute on one name from one address: guessing is slow, and locks nobody else out."""

    rate = "10/min"
    scope = "login"

    def get_cache_key(self, request: Request, view: APIView) -> str:
        """One counter for each address and name; the name does not reach the cache as it is."""
        data = request.data if isinstance(request.data, dict) else {}
        name = str(data.get("username", ""))[:150].casefold()
        return f"login:{self.get_ident(request)}:{sha256(name.encode('utf-8', 'replace')).hexdigest()}"


class TokenView(APIView):
    """POST /auth/token"""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = (LoginThrottle,)

    def post(self, request: Request) -> Response:
        """A new token for a name and a password: 201, and the only time it is shown."""
        login = LoginSerializer(data=request.data)
        login.is_valid(raise_exception=True)
        given = login.validated_data
        user = authenticate(request._request, username=given["username"], password=given["password"])
        if not isinstance(user, User):
            raise AuthenticationFailed("The username or the password is wrong.")
        token, text = issue_token(user=user, name=given["name"], expiry=given["expiry"])
        return Response({"token": text, **show(token)}, status=HTTPStatus.CREATED)


class TokensView(APIView):
    """GET /auth/tokens"""

    def get(self, request: Request) -> Response:
        """The caller's tokens, newest first, without their text."""
        tokens = [show(token) for token in ApiToken.objects.filter(user=caller(request)).order_by("-created", "-pk")]
        return Response({"tokens": tokens, "total": len(tokens)})


class OneTokenView(APIView):
    """DELETE /auth/tokens/{id}"""

    def delete(self, request: Request, public_id: str) -> Response:
        """Revoke it, everywhere within a second: 204."""
        token = ApiToken.objects.filter(user=caller(request), public_id=public_id).first()
        if token is None:
            raise NotFound("Token not found. GET /auth/tokens lists yours.")
        revoke_token(token=token)
        return Response(status=HTTPStatus.NO_CONTENT)


def show(token: ApiToken) -> dict[str, Any]:
    """A token as the API shows it."""
    return {"id": token.public_id, "name": token.name, "created_at": token.created, "expiry": token.expiry}
