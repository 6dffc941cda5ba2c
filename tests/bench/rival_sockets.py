"""The usual way, as channels' documentation has it: a group, and a consumer in it for each socket, over Valkey."""

from __future__ import annotations

from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

from aispinner.serving.bridge import WSGIBridge
from aispinner.serving.router import Router, route
from aispinner.wsgi import application as django

GROUP = "workspace"
settings.CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [settings.REDIS_URL], "prefix": "bench"},
    }
}


class RivalConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # channels brings no types
    """A socket in the group."""

    groups = (GROUP,)

    async def tell(self, message: dict[str, Any]) -> None:
        """What was sent to the group."""
        await self.send(text_data=message["text"])


application = Router(
    http=WSGIBridge(django, threads=1, body_limit=1024),
    sockets=[route("ws/rival", RivalConsumer.as_asgi())],
    streams=[],
)
