"""Messages for people on our pages, made ready only where somebody asks for them: most requests are no page's."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.messages.storage import default_storage
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject, empty


class LazyMessageMiddleware(MessageMiddleware):
    """Django's, whose storage takes a signer of cookies each time."""

    def process_request(self, request: HttpRequest) -> None:
        """Where messages will be, once somebody looks."""
        request._messages = SimpleLazyObject(partial(default_storage, request))  # type: ignore[attr-defined]

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Keep what is new, unless nobody has looked."""
        messages: Any = getattr(request, "_messages", None)
        if isinstance(messages, SimpleLazyObject) and messages._wrapped is empty:
            return response
        return super().process_response(request, response)
