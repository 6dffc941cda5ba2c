"""Tickets for sockets: made by whoever holds a bearer token, or is logged in on a page of ours."""

from __future__ import annotations

from http import HTTPStatus

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aispinner.core.auth import caller
from aispinner.core.models import ApiToken
from aispinner.core.tickets import GOOD_FOR, Pass, issue_ticket


class SocketTicketView(APIView):
    """POST /auth/ws-ticket"""

    def post(self, request: Request) -> Response:
        """A ticket for `/ws/events?ticket=…`, good once and for a minute: 201."""
        caller(request)
        if isinstance(request.auth, ApiToken):
            given = Pass(token=request.auth.digest)
        else:
            given = Pass(session=request.session.session_key or "")
        answer = {"ticket": issue_ticket(given), "expires_in": GOOD_FOR}
        return Response(answer, status=HTTPStatus.CREATED, headers={"Cache-Control": "no-store"})
