"""The ASGI application: documented endpoints and the control API over one simulator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from . import account_api, agents_api, calls_api, conversations_api
from .api import plain_error
from .config import SimulatorConfig
from .control import control_routes
from .conversation_socket import conversation_route
from .simulator import Simulator

ENDPOINTS = (
    *account_api.ENDPOINTS,
    *agents_api.ENDPOINTS,
    *calls_api.ENDPOINTS,
    *conversations_api.ENDPOINTS,
)


def create_app(config: SimulatorConfig | None = None) -> Starlette:
    """A simulator as an ASGI app; `app.state.simulator` is the world behind it. Needs one event loop for its life."""
    simulator = Simulator(config or SimulatorConfig())

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        simulator.resume()
        yield
        simulator.close()

    app = Starlette(
        routes=[
            *(endpoint.route(simulator) for endpoint in ENDPOINTS),
            conversation_route(simulator),
            *control_routes(simulator),
        ],
        exception_handlers={HTTPException: plain_error},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.simulator = simulator
    return app
