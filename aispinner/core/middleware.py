"""Request ids: taken from X-Request-ID or made, in every log line and audit entry of the request, and sent back."""

from __future__ import annotations

import re
import time
from typing import Any, cast
from uuid import uuid4

import structlog
from django.conf import settings
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject
from django_structlog import signals
from django_structlog.celery.signals import modify_context_before_task_publish
from django_structlog.middlewares import RequestMiddleware as StructlogMiddleware

from aispinner.core.audit import serving

log = structlog.get_logger(__name__)

_GOOD_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{7,99}$", re.ASCII)
_TRAVEL = {"request_id"}  # what goes along with a task


class RequestMiddleware(StructlogMiddleware):
    """Binds the request's id for the log, writes one line when it is done, answers with X-Request-ID."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Serve `request` under its id."""
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _GOOD_ID.match(given) else str(uuid4())
        request.META["HTTP_X_REQUEST_ID"] = request_id
        request.META["aispinner.started"] = time.monotonic()
        with serving(request):
            self.prepare(request)
            response = cast("HttpResponse", self.get_response(request))
            self.handle_response(request, response)
        response["X-Request-ID"] = request_id
        return response

    def prepare(self, request: HttpRequest) -> None:
        """Bind what is known of the request already. (django-structlog would ask a dozen settings, and all headers.)"""
        structlog.contextvars.bind_contextvars(request_id=request.META["HTTP_X_REQUEST_ID"])
        log.debug(
            "request_started", request=self.format_request(request), user_agent=request.META.get("HTTP_USER_AGENT")
        )

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        """Method and path. The query may hold a token or a number, and is left out."""
        return f"{request.method} {request.path}"

    @staticmethod
    def bind_user_id(request: HttpRequest) -> None:
        """Who it is, where that is known or can be: without a session's cookie, nobody is looked for."""
        user = getattr(request, "user", None)
        if isinstance(user, SimpleLazyObject) and settings.SESSION_COOKIE_NAME not in request.COOKIES:
            structlog.contextvars.bind_contextvars(user_id=None)
        elif user is not None:
            StructlogMiddleware.bind_user_id(request)


@receiver(signals.bind_extra_request_finished_metadata)
def _add_duration(request: HttpRequest, log_kwargs: dict[str, Any], **_: Any) -> None:
    started = request.META.get("aispinner.started")
    if started is not None:
        log_kwargs["duration_ms"] = round((time.monotonic() - started) * 1000, 1)


@receiver(modify_context_before_task_publish)
def _keep_ids(context: dict[str, Any], **_: Any) -> None:
    for name in set(context) - _TRAVEL:
        del context[name]
