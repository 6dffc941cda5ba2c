"""Everything on one port: event streams and sockets to async code; the rest to Django."""

from __future__ import annotations

from django.conf import settings
from django.urls import URLPattern

from aispinner.serving.bridge import WSGIBridge
from aispinner.serving.router import Router, route
from aispinner.wsgi import application as django  # loads Django, which what follows needs
from telephony.realtime.consumer import EventConsumer
from telephony.realtime.sse import EventStream

# The places for async code: `route("telephony/calls/<str:call_id>/events", application)`. An ASGI application finds
# what the path held in `scope["url_route"]["kwargs"]`; when the server stops, its `receive()` says the client is gone.
SOCKETS: list[URLPattern] = [
    route("ws/events", EventConsumer.as_asgi()),
]
STREAMS: list[URLPattern] = [  # GET with `Accept: text/event-stream`; without it, the path is Django's
    route("telephony/calls/<str:call_id>/events", EventStream()),
]

application = Router(
    http=WSGIBridge(
        django,
        threads=settings.SERVING_THREADS,
        body_limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
    ),
    sockets=SOCKETS,
    streams=STREAMS,
)
