"""The ASGI application: ARI, the media socket and the control API over one PBX."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from . import bridges_api, channels_api, system_api
from .config import SimulatorConfig
from .control import control_routes
from .event_socket import events_route
from .media_websocket import media_route
from .pbx import Pbx
from .rest import Rest, http_route

ENDPOINTS = (*channels_api.ENDPOINTS, *bridges_api.ENDPOINTS, *system_api.ENDPOINTS)


def create_app(config: SimulatorConfig | None = None) -> Starlette:
    """A simulator as an ASGI app; `app.state.pbx` is the world behind it. Needs one event loop for its life."""
    pbx = Pbx(config or SimulatorConfig())
    rest = Rest(pbx, ENDPOINTS)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        pbx.start()
        yield
        pbx.close()

    app = Starlette(
        routes=[events_route(rest), media_route(pbx), *control_routes(pbx), http_route(rest)], lifespan=lifespan
    )
    app.router.redirect_slashes = False
    app.state.pbx = pbx
    return app
