"""What Django answers where no view does: the same JSON as the API's, and Django's own pages below /admin/."""

from __future__ import annotations

import sys

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views import defaults

from aispinner.core.failures import answer_to, failed
from aispinner.core.rendering import dump_json

ADMIN = "/admin/"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """400 and 413."""
    return defaults.bad_request(request, exception) if _is_admin(request) else _json(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """403."""
    return defaults.permission_denied(request, exception) if _is_admin(request) else _json(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """404."""
    return defaults.page_not_found(request, exception) if _is_admin(request) else _json(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """500; 503 where it was the database or the broker, and 4xx where it was what the client sent."""
    error = sys.exc_info()[1]
    if _is_admin(request):
        return defaults.server_error(request)
    return _json(request, error if isinstance(error, Exception) else None)


def _is_admin(request: HttpRequest) -> bool:
    return request.path.startswith(ADMIN)


def _json(_request: HttpRequest, error: Exception | None) -> HttpResponse:
    known = answer_to(error) if error is not None else None
    response = known or failed()
    headers = {**response.headers, "Content-Type": "application/json"}
    return HttpResponse(dump_json(response.data), status=response.status_code, headers=headers)
