"""The server's application, for tests in a process of its own: it loses patience with slow readers after a megabyte."""

from __future__ import annotations

from aispinner.asgi import application
from telephony.realtime import consumer, outbox

outbox.AT_MOST = 1024 * 1024
consumer.FAREWELL = 30.0

__all__ = ["application"]
