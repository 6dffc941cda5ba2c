"""`/api/schema` and `/api/docs`, open to everybody: they hold nothing but what is published."""

from __future__ import annotations

from functools import lru_cache

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.http import condition, require_safe

from aispinner.apidocs.document import as_json, as_yaml, document, etag
from aispinner.apidocs.page import sections, usual_refusals


def _etag(request: HttpRequest) -> str:
    return etag()[:-1] + ('-yaml"' if _wants_yaml(request) else '"')


@require_safe
@condition(etag_func=_etag)
def schema(request: HttpRequest) -> HttpResponse:
    """The OpenAPI document: JSON; YAML by `?format=yaml` or an Accept header that asks for it."""
    headers = {"Cache-Control": "no-cache", "Vary": "Accept"}
    if _wants_yaml(request):
        return HttpResponse(as_yaml(), "application/yaml; charset=utf-8", headers=headers)
    return HttpResponse(as_json(), "application/json", headers=headers)


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """The document as a page, with nothing from elsewhere."""
    return HttpResponse(_page(request.build_absolute_uri("/").rstrip("/")), headers={"Cache-Control": "no-cache"})


@lru_cache(maxsize=8)
def _page(address: str) -> str:
    context = {
        "info": document()["info"],
        "address": address,
        "usual": usual_refusals(),
        "sections": sections(address=address),
    }
    return render_to_string("docs/page.html", context)


def _wants_yaml(request: HttpRequest) -> bool:
    asked = request.GET.get("format")
    return asked == "yaml" if asked else "yaml" in request.headers.get("Accept", "")
